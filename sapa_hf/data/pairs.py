"""Two folders whose files belong together by their names, images/ and masks/, as a data set."""

from __future__ import annotations

from pathlib import Path

import datasets

from .spec import DatasetSpec

IMAGES = ("images",)
LABELS = ("masks", "annotations", "labels")
DEPTHS = ("depth", "depths")
METADATA = (
    "a metadata.jsonl into each split's folder, one line for each photo: "
    '{"file_name": "images/1.jpg", "annotation_file_name": "masks/1.png"}'
)


def has_metadata(folder: Path) -> bool:
    """Whether a folder, or a folder in it, says by metadata.jsonl (or .csv) which files belong together."""
    names = [f"{place}metadata.{ending}" for place in ("", "*/") for ending in ("jsonl", "csv", "parquet")]
    return any(any(folder.glob(name)) for name in names)


def is_paired(folder: Path) -> bool:
    """Whether a folder, or a folder in it, holds images/ beside masks/ (or annotations/, labels/, depth/)."""
    if not folder.is_dir() or has_metadata(folder):
        return False
    return any(
        _existing(place, IMAGES) and _existing(place, LABELS + DEPTHS)
        for place in (folder, *(entry for entry in folder.iterdir() if entry.is_dir()))
    )


def load_pairs(folder: Path, spec: DatasetSpec, split: str) -> datasets.Dataset:
    """Pair the files of <split>/images and <split>/masks, or of images/<split> and masks/<split>, by name.

    Args:
        folder: See `is_paired`.
        spec: Its columns are the names of the data set's; the file's name without its ending is the id.
        split: Name of the split's folder.

    Raises:
        ValueError: The split has no such folders, or a file has no partner.
    """
    targets = {spec.label_column: LABELS, spec.depth_column: DEPTHS}
    names = {spec.image_column: IMAGES} | {column: names for column, names in targets.items() if column}
    folders = {column: _split_folder(folder, names, split) for column, names in names.items()}
    files = {column: _by_stem(place) for column, place in folders.items()}
    photos = files[spec.image_column]
    for column, partners in files.items():
        alone = sorted(photos.keys() ^ partners.keys())
        if alone:
            raise ValueError(
                f"{folders[spec.image_column]} and {folders[column]} must hold files of the same names; "
                f"{len(alone)} have no partner, such as {alone[0]!r}"
            )
    stems = sorted(photos)
    columns = {column: [str(found[stem]) for stem in stems] for column, found in files.items()}
    features = {column: datasets.Image(decode=False) for column in columns}
    if spec.id_column:
        columns[spec.id_column], features[spec.id_column] = stems, datasets.Value("string")
    return datasets.Dataset.from_dict(columns, datasets.Features(features), split=datasets.NamedSplit(split))


def _existing(place: Path, names: tuple[str, ...]) -> Path | None:
    return next((place / name for name in names if (place / name).is_dir()), None)


def _split_folder(folder: Path, names: tuple[str, ...], split: str) -> Path:
    """Find the folder of one kind of files of a split, in either order of kind and split."""
    kind = _existing(folder, names)
    for place in (_existing(folder / split, names), kind / split if kind else None):
        if place is not None and place.is_dir():
            return place
    raise ValueError(
        f"{folder} has no {split}/{names[0]}: put the files of each split into <split>/images and "
        f"<split>/{names[0]} (train, validation, test), under equal names; or write {METADATA}"
    )


def _by_stem(folder: Path) -> dict[str, Path]:
    """The files of a folder by their name without the ending."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if not file.is_file() or file.name.startswith("."):
            continue
        if file.stem in files:
            raise ValueError(
                f"{files[file.stem]} and {file} have one name: which of them is meant? Rename one"
            )
        files[file.stem] = file
    if not files:
        raise ValueError(f"{folder} holds no file")
    return files
