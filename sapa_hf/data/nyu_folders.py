"""NYU Depth V2 as BTS distributes it, folders of photos and depth PNGs with a list, turned into parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import datasets
from PIL import Image
from tqdm.auto import tqdm

from ..atomic_write import atomic_write

FEATURES = datasets.Features(
    {"id": datasets.Value("string"), "image": datasets.Image(), "depth_map": datasets.Image()}
)
DEPTH_MODES = ("I;16", "I;16L", "I;16B", "I")


def read_list(file: str | Path) -> list[tuple[str, str]]:
    """Read the split list: a photo, its depth and the focal length a line, paths relative to the root.

    Raises:
        ValueError: a line has another form, or there is none.
    """
    pairs = []
    for number, line in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) not in (2, 3):
            raise ValueError(f"{file}, line {number}: 'photo depth [focal length]' is needed, got {line!r}")
        pairs.append((parts[0].lstrip("/"), parts[1].lstrip("/")))
    if not pairs:
        raise ValueError(f"{file} lists no photo")
    return pairs


def convert_folders(
    list_file: str | Path,
    root: str | Path,
    output_dir: str | Path,
    split: str,
    rows_per_file: int = 500,
    progress: bool = True,
) -> list[Path]:
    """Write a split as parquet files, <output_dir>/data/<split>-00000-of-00049.parquet.

    Photos and depth maps are copied bit for bit. Each parquet file appears whole or not at all; one that is
    there already is kept, so that an interrupted conversion goes on where it stopped. All pairs are looked
    for before the first is read.

    Args:
        list_file: see `read_list`.
        root: folder the list's paths begin in.
        output_dir: `datasets.load_dataset(output_dir)` then gives id, image and depth_map.
        split: "train" or "test".
        rows_per_file: photos in a parquet file, which are in memory together.
        progress: whether to show a bar.

    Raises:
        ValueError: a file is missing, or is not a depth map of its photo's size.
    """
    root, pairs = Path(root), read_list(list_file)
    missing = [name for pair in pairs for name in pair if not (root / name).is_file()]
    if missing:
        raise ValueError(
            f"{len(missing)} of the files that {list_file} names are not in {root}, such as {missing[0]}"
        )
    folder = Path(output_dir) / "data"
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, len(pairs), rows_per_file)
    files = []
    with tqdm(total=len(pairs), desc=split, unit="image", disable=not progress) as bar:
        for number, start in enumerate(starts):
            file = folder / f"{split}-{number:05d}-of-{len(starts):05d}.parquet"
            part = pairs[start : start + rows_per_file]
            if file.exists():
                bar.update(len(part))
            else:
                with atomic_write(file) as partial:
                    rows = datasets.Dataset.from_list(list(_rows(root, part, bar)), FEATURES)
                    rows.to_parquet(str(partial))
            files.append(file)
    return files


def _rows(root: Path, pairs: list[tuple[str, str]], bar: tqdm) -> Iterator[dict]:
    """Read pairs, checking that each depth map is one and fits its photo."""
    for photo, depth in pairs:
        with Image.open(root / photo) as image, Image.open(root / depth) as depth_map:
            if depth_map.mode not in DEPTH_MODES:
                raise ValueError(
                    f"{root / depth} has mode {depth_map.mode}; a depth map in millimetres has 16 bits"
                )
            if depth_map.size != image.size:
                raise ValueError(f"{root / depth} is {depth_map.size} but its photo {image.size}")
        yield {
            "id": str(Path(photo).with_suffix("")),
            "image": {"bytes": (root / photo).read_bytes(), "path": None},
            "depth_map": {"bytes": (root / depth).read_bytes(), "path": None},
        }
        bar.update()
