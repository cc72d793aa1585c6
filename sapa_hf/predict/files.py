"""Prediction on many image files, where one broken file does not stop the rest."""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ..atomic_write import atomic_write
from ..data import decode_image

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}  # in folders

logger = logging.getLogger(__name__)


def find_images(inputs: Iterable[str | Path], recursive: bool = False) -> list[tuple[Path, Path]]:
    """List image files: those named, whatever their ending, and those in the folders named, by their ending.

    Args:
        inputs: files and folders.
        recursive: whether to look into the folders' folders too.

    Returns:
        (file, its place relative to the input that led to it), in order, each file once.

    Raises:
        ValueError: an input does not exist, or no image was found.
    """
    inputs = [Path(entry) for entry in inputs]
    found: dict[Path, tuple[Path, Path]] = {}
    for entry in inputs:
        if entry.is_dir():
            files = sorted(entry.rglob("*") if recursive else entry.iterdir())
            pairs = [(f, f.relative_to(entry)) for f in files if f.is_file() and f.suffix.lower() in ENDINGS]
        elif entry.is_file():
            pairs = [(entry, Path(entry.name))]
        else:
            raise ValueError(f"{entry} does not exist: name image files or folders of images")
        for file, place in pairs:
            found.setdefault(file.resolve(), (file, place))
    if not found:
        raise ValueError(
            "no image found in " + ", ".join(map(str, inputs)) + "; look deeper with --recursive?"
        )
    return list(found.values())


def predict_files(
    predictor,
    inputs: Iterable[str | Path],
    output_dir: str | Path,
    recursive: bool = False,
    progress: bool = True,
) -> dict[Path, str]:
    """Predict every image and write its pictures as <output_dir>/<place>_<picture>.png.

    Inputs are never overwritten; earlier outputs are. Each picture appears whole or not at all.

    Args:
        predictor: an object with `predict(image, name)` and `pictures(image, prediction)`.
        inputs: image files and folders; any size and mode, EXIF orientation is applied.
        output_dir: where the pictures go; folders of `recursive` inputs keep their places.
        recursive: whether to look into the folders' folders too.
        progress: whether to show a bar.

    Returns:
        Files that failed, with the reason; empty if all went well.

    Raises:
        ValueError: an input does not exist, none is an image, or two would be written to one place.
    """
    inputs, output = [Path(entry) for entry in inputs], Path(output_dir).resolve()
    if output in [entry.resolve() for entry in inputs]:
        raise ValueError(f"{output_dir} is also an input: a second run would take its pictures for photos")
    named = set(inputs)
    images = [
        (file, place)
        for file, place in find_images(inputs, recursive)
        if output not in file.resolve().parents or file in named  # what an earlier run wrote is no photo
    ]
    stems = _output_stems(images, Path(output_dir))
    taken = {file.resolve() for file, _ in images}
    failures = {}
    for (file, _), stem in tqdm(
        zip(images, stems, strict=True), "predict", len(images), unit="image", disable=not progress
    ):
        try:
            _predict_file(predictor, file, stem, taken)
        except (OSError, ValueError, MemoryError, torch.OutOfMemoryError) as error:
            failures[file] = str(error).removeprefix(f"{file}: ") or type(error).__name__
            logger.warning("%s failed: %s", file, failures[file])
    return failures


def _predict_file(predictor, file: Path, stem: Path, taken: set[Path]):
    """Predict one image and write its pictures."""
    image = decode_image(file, str(file))
    pictures = predictor.pictures(image, predictor.predict(image, str(file)))
    targets = {name: stem.with_name(f"{stem.name}_{name}.png") for name in pictures}
    for target in targets.values():
        if target.resolve() in taken:
            raise ValueError(f"{file}: its output {target} is itself an input; choose another output folder")
    for name, picture in pictures.items():
        with atomic_write(targets[name]) as partial:
            picture.save(partial, format="PNG")


def _output_stems(images: list[tuple[Path, Path]], output_dir: Path) -> list[Path]:
    """Choose where each image's pictures go: its name without the ending, with it where two would meet."""
    count = Counter(place.with_suffix("") for _, place in images)
    stems = []
    for _, place in images:
        stems.append(output_dir / (place if count[place.with_suffix("")] > 1 else place.with_suffix("")))
    doubled = sorted(str(stem) for stem, times in Counter(stems).items() if times > 1)
    if doubled:
        raise ValueError(
            f"several inputs would be written to {', '.join(doubled)}: give them separate output folders"
        )
    return stems
