"""Evaluation: whole-image inference, scores over a data set, results files and tables."""

from .results import read_results, write_results
from .segmentation import evaluate_constant, evaluate_segmentation, most_common_label
from .table import overall_table, per_class_table
from .whole_image import WholeImage

__all__ = [
    "WholeImage",
    "evaluate_constant",
    "evaluate_segmentation",
    "most_common_label",
    "overall_table",
    "per_class_table",
    "read_results",
    "write_results",
]
