"""The saved segmentation models that a comparison is about."""

from collections.abc import Sequence
from typing import Any

from sapa_hf.data import DatasetSpec
from sapa_hf.predict import load_predictor
from sapa_hf.tasks.segmentation import SegmentationPredictor, SegmentationTask


def load_segmenters(
    named: Sequence[str], spec: DatasetSpec, **options: Any
) -> dict[str, SegmentationPredictor]:
    """Load models that predict the data set's classes.

    Args:
        named: CAPTION=FOLDER for each.
        spec: The data set.
        options: Of `load_predictor`.

    Raises:
        ValueError: A name is not of that form; a model is of another task, or has other classes.
    """
    return {
        caption: _load_segmenter(folder, spec, options) for caption, folder in map(_name_and_folder, named)
    }


def _name_and_folder(named: str) -> tuple[str, str]:
    caption, _, folder = named.partition("=")
    if not caption or not folder:
        raise ValueError(f"--models must be CAPTION=FOLDER, got {named!r}")
    return caption, folder


def _load_segmenter(folder: str, spec: DatasetSpec, options: dict) -> SegmentationPredictor:
    predictor = load_predictor(folder, **options)
    if not isinstance(predictor, SegmentationPredictor):
        raise ValueError(f"{folder} must be a segmentation model, got {type(predictor.model).__name__}")
    SegmentationTask.check_data(predictor.model, None, spec)
    return predictor
