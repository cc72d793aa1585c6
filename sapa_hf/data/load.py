"""Load one split of a data set through `datasets`, with the images left encoded."""

from __future__ import annotations

import glob
import logging
from pathlib import Path
from typing import Any

import datasets
import pyarrow
from datasets.data_files import EmptyDatasetError
from datasets.exceptions import DataFilesNotFoundError, DatasetGenerationError

from .file_lists import is_listed, load_list
from .pairs import has_metadata, is_paired, load_pairs
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
    elif spec.path is not None and is_paired(Path(spec.path).expanduser()):
        dataset = load_pairs(Path(spec.path).expanduser(), spec, split)
        dataset = dataset.to_iterable_dataset() if streaming else dataset
    elif spec.path is not None and is_listed(Path(spec.path).expanduser()):
        dataset = load_list(Path(spec.path).expanduser(), spec, split)
        dataset = dataset.to_iterable_dataset() if streaming else dataset
    else:
        dataset = _load(spec, split, streaming)
    return _undecoded(dataset, spec)


def _load(spec: DatasetSpec, split: str, streaming: bool):
    """Load through `datasets`; ValueError with what to do where it finds nothing, or a damaged file."""
    try:
        return datasets.load_dataset(**_source(spec, split), split=split, streaming=streaming)
    except (DataFilesNotFoundError, EmptyDatasetError) as error:
        raise ValueError(
            f"{spec.path} holds no data set: parquet files are needed, or folders images/ and masks/ for "
            "each split, or an image folder with metadata.jsonl"
        ) from error
    except (DatasetGenerationError, pyarrow.ArrowInvalid) as error:
        reason = error.__cause__ or error
        raise ValueError(
            f"{spec.path} cannot be read ({type(reason).__name__}: {reason}): replace its damaged file"
        ) from error


def _source(spec: DatasetSpec, split: str) -> dict[str, Any]:
    """The arguments of `datasets.load_dataset` for a file, a folder or a Hub id."""
    if spec.path is None:
        raise ValueError(f"the data set {spec.name!r} has no home on the Hub: give path=<its folder>")
    path = Path(spec.path).expanduser()
    if path.is_file():
        if path.suffix not in FILE_BUILDERS:
            raise ValueError(
                f"{path} must be a data set: a {' or '.join(FILE_BUILDERS)} file, or a folder of them"
            )
        return {"path": FILE_BUILDERS[path.suffix], "data_files": {split: glob.escape(str(path))}}
    if path.is_dir():
        if has_metadata(path):
            return {"path": "imagefolder", "data_dir": glob.escape(str(path))}
        return _folder_source(path, spec)
    spec.check_there()
    if spec.revision is None:
        logger.warning(
            "%s is read at its newest commit; give revision=<commit> to repeat a run exactly", spec.path
        )
    # The conversion branch has no list of configurations, so the folder is named instead.
    folder = "data_dir" if spec.revision == PARQUET_BRANCH else "name"
    return {"path": spec.path, folder: spec.config_name, "revision": spec.revision}


def _folder_source(path: Path, spec: DatasetSpec) -> dict[str, Any]:
    """The arguments for a folder of parquet or arrow files."""
    if not glob.has_magic(str(path)):
        return {"path": str(path), "name": spec.config_name}
    # `datasets` takes [ ] * ? in a folder's name for a pattern, but lets a builder's data_dir escape them.
    for ending, builder in FILE_BUILDERS.items():
        if any(path.rglob(f"*{ending}")):
            return {"path": builder, "data_dir": glob.escape(str(path))}
    raise ValueError(
        f"{path} holds no {' or '.join(FILE_BUILDERS)} file; `datasets` reads the characters [ ] * ? of a "
        "folder's name as a pattern: rename the folder"
    )


def _undecoded(dataset, spec: DatasetSpec):
    """Keep the spec's columns, images as bytes; ValueError naming those present where one is missing."""
    features = dataset.features or dict.fromkeys(next(iter(dataset)))  # a stream may not know its features
    missing = [column for column in spec.columns if column not in features]
    if missing:
        raise ValueError(
            f"the data set {spec.name!r} has no column {', '.join(map(repr, missing))}; its columns are "
            f"{', '.join(map(repr, features))}: give id_column, image_column or another field"
        )
    dataset = dataset.select_columns(spec.columns)
    for column in spec.columns:
        if isinstance(features[column], datasets.Image):
            dataset = dataset.cast_column(column, datasets.Image(decode=False))
    return dataset
