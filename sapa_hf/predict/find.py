"""Finding image files in what a user names: nothing is passed over in silence."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from ..data.image_file import is_photo, readable_formats

NAMED = 5  # files named in a message

logger = logging.getLogger(__name__)


@cache
def image_endings() -> frozenset[str]:
    """The endings of the image formats that are read, such as ".png", in lower case."""
    formats = set(readable_formats())
    return frozenset(ending for ending, form in Image.registered_extensions().items() if form in formats)


@dataclass
class _Notes:
    """What is not predicted, to be named."""

    not_images: list[Path] = field(default_factory=list)
    not_entered: list[Path] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)
    earlier: list[Path] = field(default_factory=list)

    def log(self) -> None:
        """Name and count what is left out."""
        for files, text in (
            (self.not_images, "passed over, not an image"),
            (self.not_entered, "folder not entered; --recursive looks into folders"),
            (self.repeated, "named more than once, predicted once"),
            (self.earlier, "passed over in the output folder, as an earlier output"),
        ):
            if files:
                more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
                logger.warning("%s (%d): %s%s", text, len(files), ", ".join(map(str, files[:NAMED])), more)


def find_images(
    inputs: Iterable[str | Path], recursive: bool = False, output_dir: str | Path | None = None
) -> list[tuple[Path, Path]]:
    """List image files: those named, and those in the folders named, by their ending or their content.

    A file under two names, such as a link, is listed under both. What is passed over is named in a warning.

    Args:
        inputs: files and folders.
        recursive: whether to look into the folders' folders too, and through links to folders.
        output_dir: its files are passed over in folders: they are an earlier run's.

    Returns:
        (file, its place relative to the input that led to it), in order, each path once.

    Raises:
        ValueError: an input does not exist, or no image was found.
    """
    inputs, notes = [Path(entry) for entry in inputs], _Notes()
    output = None if output_dir is None else Path(output_dir).resolve()
    found: dict[str, tuple[Path, Path]] = {}
    places: dict[tuple[Path, Path], Path] = {}
    for entry in inputs:
        if not entry.exists():
            raise ValueError(f"{entry} does not exist: name image files or folders of images")
        for file in _images_in(entry, recursive, output, notes) if entry.is_dir() else [entry]:
            place = Path(file.name) if file == entry else file.relative_to(entry)
            path, stored = os.path.abspath(file), (file.resolve(), place)
            if path in found or stored in places:
                notes.repeated.append(file)
            else:
                found[path], places[stored] = (file, place), file
    notes.not_entered = [folder for folder in notes.not_entered if folder.resolve() != output]
    notes.log()
    if not found:
        raise ValueError(
            "no image found in " + ", ".join(map(str, inputs)) + "; look deeper with --recursive?"
        )
    return list(found.values())


def _images_in(folder: Path, recursive: bool, output: Path | None, notes: _Notes) -> Iterator[Path]:
    """Yield the image files of a folder in order."""
    for file in _files_in(folder, recursive, notes, above=()):
        if not file.is_file():  # a link to nothing, a pipe
            notes.not_images.append(file)
        elif output is not None and output in file.resolve().parents:
            notes.earlier.append(file)
        elif file.suffix.lower() in image_endings() or is_photo(file):
            yield file
        elif not file.name.startswith("."):
            notes.not_images.append(file)


def _files_in(folder: Path, recursive: bool, notes: _Notes, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield a folder's files; `above` holds the real folders around it, to end a loop of links."""
    here = folder.resolve()
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        notes.not_entered.append(folder)
        return
    for entry in entries:
        if not entry.is_dir():
            yield entry
        elif recursive and entry.resolve() not in (*above, here):
            yield from _files_in(entry, recursive, notes, (*above, here))
        elif not entry.name.startswith("."):
            notes.not_entered.append(entry)
