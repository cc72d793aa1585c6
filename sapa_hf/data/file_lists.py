"""A data set whose rows are listed in <split>.jsonl, pictures by the paths of their files."""

from __future__ import annotations

import json
from pathlib import Path

import datasets

from .spec import DatasetSpec


def is_listed(folder: Path) -> bool:
    """Whether a folder holds lists, and not the metadata of an image folder."""
    return folder.is_dir() and any(file.name != "metadata.jsonl" for file in folder.glob("*.jsonl"))


def load_list(folder: Path, spec: DatasetSpec, split: str) -> datasets.Dataset:
    """Read <split>.jsonl, an object with the spec's columns a line; paths begin in the folder.

    Args:
        folder: See `is_listed`.
        spec: Its columns; all but the id's are pictures. A row may lack a picture's column, or have null.
        split: Name of the list.

    Raises:
        FileNotFoundError: There is no such list, or a picture is not there.
        ValueError: A line is not an object of such columns.
    """
    file = folder / f"{split}.jsonl"
    if not file.is_file():
        there = ", ".join(sorted(other.stem for other in folder.glob("*.jsonl")))
        raise FileNotFoundError(f"{folder} holds no {split}.jsonl; its splits are {there}")
    columns: dict[str, list[str | None]] = {column: [] for column in spec.columns}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        row = _row(line, f"{file}, line {number}")
        for column, values in columns.items():
            value = row.get(column)
            if value is not None and column != spec.id_column:
                value = str(folder / value)
                if not Path(value).is_file():
                    raise FileNotFoundError(f"{file}, line {number} names {value}, which is not there")
            values.append(value)
    kinds = {column: datasets.Image(decode=False) for column in columns}
    if spec.id_column:
        kinds[spec.id_column] = datasets.Value("string")
    return datasets.Dataset.from_dict(columns, datasets.Features(kinds), split=datasets.NamedSplit(split))


def _row(line: str, name: str) -> dict:
    """Read a line; ValueError where it is not an object of texts."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    if not isinstance(row, dict) or not all(isinstance(value, (str, type(None))) for value in row.values()):
        raise ValueError(f"{name} must be an object of texts, got {line[:60]}")
    return row
