"""A short digest of the data that a run trains on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import Dataset, IterableDataset

from sapa_hf.data import DatasetSpec


def data_fingerprint(dataset: Dataset | IterableDataset, spec: DatasetSpec) -> str:
    """Digest the spec, the number of rows, all ids and the bytes of eight rows.

    The place on disk does not count. Of a stream, which is not read for this, only the spec does.
    """
    digest = hashlib.sha256(repr(replace(spec, path=None)).encode())
    if isinstance(dataset, Dataset):
        digest.update(str(len(dataset)).encode())
        if spec.id_column:
            digest.update(repr(list(dataset[spec.id_column])).encode())
        for row in np.linspace(0, len(dataset) - 1, num=8, dtype=int):
            for column, value in dataset[int(row)].items():
                digest.update(column.encode() + _content(value))
    return digest.hexdigest()[:16]


def _content(value: object) -> bytes:
    """Give the bytes of a cell; those of an image that lies in a file of its own are the file's."""
    if isinstance(value, dict) and {"bytes", "path"} <= value.keys():
        if value["bytes"] is not None:
            return value["bytes"]
        if value["path"] is not None and Path(value["path"]).is_file():
            return Path(value["path"]).read_bytes()
    return repr(value).encode()
