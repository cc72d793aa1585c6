"""The Adobe matting set's folders as lists of compositions, as Deep Image Matting numbers them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from ..atomic_write import atomic_write

SOURCES = ("Adobe-licensed images", "Other")  # folders of foregrounds in a set
BACKGROUNDS = {"train": 100, "test": 20}  # of each foreground
PLACES = {
    "train": ("Training_set", "training_fg_names.txt", "training_bg_names.txt"),
    "test": ("Test_set", "test_fg_names.txt", "test_bg_names.txt"),
}


def list_compositions(
    root: str | Path, backgrounds: str | Path, split: str, output_dir: str | Path, progress: bool = True
) -> int:
    """Write <output_dir>/<split>.jsonl, after a look at every file that it names.

    Foreground i goes with its own 100 backgrounds in training, i * 100 and on, and with 20 in the test; the
    test has the trimap <foreground>_<number of the background>.png.

    Args:
        root: The set's folder Combined_Dataset, with Training_set and Test_set.
        backgrounds: Folder of the photos: COCO's train2014 for training, VOC 2012's JPEGImages for the test.
        split: "train" or "test".
        output_dir: Where the list goes; paths in it are relative to that folder.
        progress: Whether to show a bar.

    Returns:
        Number of compositions.

    Raises:
        FileNotFoundError: A file or a list of names is not there.
        ValueError: There are fewer backgrounds than the foregrounds need, or a matte has another size.
    """
    folder, *lists = PLACES[split]
    place, output = Path(root) / folder, Path(output_dir)
    names, photos = (_names(place / name) for name in lists)
    each = BACKGROUNDS[split]
    if len(photos) < each * len(names):
        raise ValueError(
            f"{place / lists[1]} must name {each} backgrounds for each of the {len(names)} foregrounds, got "
            f"{len(photos)}"
        )
    output.mkdir(parents=True, exist_ok=True)
    count = 0
    with atomic_write(output / f"{split}.jsonl") as partial, open(partial, "w", encoding="utf-8") as file:
        for number, name in enumerate(tqdm(names, split, unit="foreground", disable=not progress)):
            own = photos[number * each : (number + 1) * each]
            for row in _rows(place, name, Path(backgrounds), own, split == "test"):
                paths = {key: os.path.relpath(path, output) for key, path in row.items() if key != "id"}
                file.write(json.dumps({"id": row["id"]} | paths) + "\n")
                count += 1
    return count


def _rows(
    place: Path, name: str, backgrounds: Path, photos: list[str], with_trimap: bool
) -> Iterator[dict[str, str | Path]]:
    """Yield a foreground's compositions."""
    foreground = _find(place, "fg", name)
    alpha = _find(place, "alpha", name)
    with Image.open(foreground) as one, Image.open(alpha) as other:  # reads no pixel yet
        if one.size != other.size:
            raise ValueError(f"{alpha} must have the size of {foreground}, {one.size}, got {other.size}")
    stem = Path(name).stem
    for number, photo in enumerate(photos):
        files = {"foreground": foreground, "alpha": alpha, "background": _existing(backgrounds / photo)}
        if with_trimap:
            files["trimap"] = _find(place, "trimaps", f"{stem}_{number}.png")
        yield {"id": f"{stem}_{number}", **files}


def _find(place: Path, kind: str, name: str) -> Path:
    """Find a file among those of both sources."""
    files = [place / source / kind / name for source in SOURCES]
    return next((file for file in files if file.is_file()), None) or _existing(files[0])


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}: the list of names does not belong to this folder")
    return file


def _names(file: Path) -> list[str]:
    return [line.strip() for line in _existing(file).read_text(encoding="utf-8").splitlines() if line.strip()]
