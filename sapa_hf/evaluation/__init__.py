"""Evaluation: whole-image inference, scores over a data set, results files and tables."""

from .checkpoint import evaluate_checkpoint
from .results import read_results, write_results
from .segmentation import evaluate_constant, evaluate_segmentation, most_common_label
from .table import overall_table, per_class_table
from .whole_image import WholeImage, input_format

__all__ = [
    "WholeImage",
    "evaluate_checkpoint",
    "evaluate_constant",
    "evaluate_segmentation",
    "input_format",
    "most_common_label",
    "overall_table",
    "per_class_table",
    "read_results",
    "write_results",
]
