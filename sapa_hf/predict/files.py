"""Prediction on many image files, where one broken file does not stop the rest."""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from ..atomic_write import atomic_write
from ..data import decode_image
from ..data.image_file import count_pages
from .find import find_images

logger = logging.getLogger(__name__)


def predict_files(
    predictor,
    inputs: Iterable[str | Path],
    output_dir: str | Path,
    recursive: bool = False,
    progress: bool = True,
) -> dict[Path, str]:
    """Predict every image and write its pictures as <output_dir>/<place>_<picture>.png.

    The further pages of a file, such as a TIFF or an animated GIF, become <place>_page2_<picture>.png and so
    on. Inputs are never overwritten; earlier outputs are. Each picture appears whole or not at all.

    Args:
        predictor: an object with `predict(image, name)` and `pictures(image, prediction)`; where it has a
            `read(file, name, page)` too, that takes the place of `decode_image`.
        inputs: image files and folders; any size and mode, EXIF orientation is applied.
        output_dir: where the pictures go; folders of `recursive` inputs keep their places.
        recursive: whether to look into the folders' folders too.
        progress: whether to show a bar.

    Returns:
        Files that failed, with the reason; empty if all went well.

    Raises:
        ValueError: an input does not exist, none is an image, two would be written to one place, or the
            output folder is a file.
    """
    inputs, output = [Path(entry) for entry in inputs], Path(output_dir).resolve()
    if output in [entry.resolve() for entry in inputs]:
        raise ValueError(f"{output_dir} is also an input: a second run would take its pictures for photos")
    images = find_images(inputs, recursive, output)
    stems = _output_stems(images, Path(output_dir))
    try:
        output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"the output folder must be a folder, got {output_dir}: a file is there") from error
    taken = {file.resolve(): "is itself an input" for file, _ in images}
    failures = {}
    for (file, _), stem in tqdm(
        zip(images, stems, strict=True), "predict", len(images), unit="image", disable=not progress
    ):
        reasons = _predict_pages(predictor, file, stem, taken)
        if reasons:
            failures[file] = reasons[0] + (f" (and {len(reasons) - 1} more pages)" if reasons[1:] else "")
            logger.warning("%s failed: %s", file, failures[file])
    return failures


def _predict_pages(predictor, file: Path, stem: Path, taken: dict[Path, str]) -> list[str]:
    """Predict each page of a file, and give the reasons of those that failed."""
    reasons, pages = [], count_pages(file)
    read = getattr(predictor, "read", decode_image)
    for page in range(pages):
        name = str(file) if pages == 1 else f"{file}: page {page + 1} of {pages}"
        place = stem if page == 0 else stem.with_name(f"{stem.name}_page{page + 1}")
        try:
            _predict_image(predictor, read(file, name, page), name, place, taken)
        except (OSError, ValueError, MemoryError, torch.OutOfMemoryError) as error:
            reasons.append(str(error).removeprefix(f"{file}: ") or f"{type(error).__name__}")
    return reasons


def _predict_image(predictor, image: np.ndarray, name: str, stem: Path, taken: dict[Path, str]) -> None:
    """Predict one image and write its pictures where no input and no other picture is."""
    pictures = predictor.pictures(image, predictor.predict(image, name))
    targets = {kind: stem.with_name(f"{stem.name}_{kind}.png") for kind in pictures}
    for target in targets.values():
        if target.resolve() in taken:
            raise ValueError(
                f"{name}: its output {target} {taken[target.resolve()]}; choose another output folder"
            )
    for kind, picture in pictures.items():
        with atomic_write(targets[kind]) as partial:
            picture.save(partial, format="PNG")
        taken[targets[kind].resolve()] = f"was written for {name}"


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
