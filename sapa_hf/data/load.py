"""Load one split of a data set through `datasets`, with the images left encoded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import datasets

from .spec import DatasetSpec

logger = logging.getLogger(__name__)

PARQUET_BRANCH = "refs/convert/parquet"  # the Hub's own conversion: a configuration is a folder there
FILE_BUILDERS = {".parquet": "parquet", ".arrow": "arrow"}


def load_split(
    spec: DatasetSpec, split: str, streaming: bool = False
) -> datasets.Dataset | datasets.IterableDataset:
    """Load a split with the spec's columns only, images undecoded so that a bad file can be named by its row.

    Args:
        spec: The data set.
        split: The split's own name, such as `spec.train_split`.
        streaming: Read rows as they come instead of preparing the whole split on disk.
    """
    if spec.name == "scenes" and spec.path is None:
        from .scenes import load_scenes

        dataset = load_scenes(spec, split, streaming)
    else:
        dataset = datasets.load_dataset(**_source(spec, split), split=split, streaming=streaming)
    return _undecoded(dataset, spec)


def _source(spec: DatasetSpec, split: str) -> dict[str, Any]:
    """The arguments of `datasets.load_dataset` for a file, a folder or a Hub id."""
    if spec.path is None:
        raise ValueError(f"the data set {spec.name!r} has no home on the Hub: give path=<its folder>")
    path = Path(spec.path).expanduser()
    if path.is_file():
        if path.suffix not in FILE_BUILDERS:
            raise ValueError(
                f"{path} is no data set file: {' or '.join(FILE_BUILDERS)} is needed, or a folder"
            )
        return {"path": FILE_BUILDERS[path.suffix], "data_files": {split: str(path)}}
    if path.is_dir():
        if any(path.glob("metadata.jsonl")) or any(path.glob("*/metadata.jsonl")):
            return {"path": "imagefolder", "data_dir": str(path)}
        return {"path": str(path), "name": spec.config_name}
    if spec.path.startswith((".", "/", "~")) or spec.path.count("/") > 1:
        raise FileNotFoundError(
            f"there is no data set at {path.absolute()}: give an existing folder or a Hub id"
        )
    if spec.revision is None:
        logger.warning(
            "%s is read at its newest commit; give revision=<commit> to repeat a run exactly", spec.path
        )
    # The conversion branch has no list of configurations, so the folder is named instead.
    folder = "data_dir" if spec.revision == PARQUET_BRANCH else "name"
    return {"path": spec.path, folder: spec.config_name, "revision": spec.revision}


def _undecoded(dataset, spec: DatasetSpec):
    """Keep the spec's columns, images as bytes; ValueError naming those present where one is missing."""
    features = dataset.features or dict.fromkeys(next(iter(dataset)))  # a stream may not know its features
    missing = [column for column in spec.columns if column not in features]
    if missing:
        raise ValueError(
            f"the data set {spec.name!r} has no column {', '.join(map(repr, missing))}; its columns are "
            f"{', '.join(map(repr, features))}: give id_column, image_column, label_column or depth_column"
        )
    dataset = dataset.select_columns(spec.columns)
    for column in spec.columns:
        if isinstance(features[column], datasets.Image):
            dataset = dataset.cast_column(column, datasets.Image(decode=False))
    return dataset
