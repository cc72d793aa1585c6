"""Semantic segmentation: the class of every pixel."""

from .predictor import SegmentationPredictor
from .scores import SegmentationScores
from .table import overall_table, per_class_table
from .task import SegmentationTask
from .trivial import evaluate_constant, most_common_label
from .whole_image import WholeImage

__all__ = [
    "SegmentationPredictor",
    "SegmentationScores",
    "SegmentationTask",
    "WholeImage",
    "evaluate_constant",
    "most_common_label",
    "overall_table",
    "per_class_table",
]
