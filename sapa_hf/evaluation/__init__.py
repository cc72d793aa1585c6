"""Evaluation: whole-image inference, scores over a data set, results files and tables."""

from .checkpoint import evaluate_checkpoint
from .depth import evaluate_constant_depth, evaluate_depth, mean_depth
from .results import read_results, write_results
from .segmentation import evaluate_constant, evaluate_segmentation, most_common_label
from .table import depth_table, overall_table, per_class_table, results_table
from .whole_depth import WholeDepth, depth_format
from .whole_image import WholeImage, input_format

__all__ = [
    "WholeDepth",
    "WholeImage",
    "depth_format",
    "depth_table",
    "evaluate_checkpoint",
    "evaluate_constant",
    "evaluate_constant_depth",
    "evaluate_depth",
    "evaluate_segmentation",
    "input_format",
    "mean_depth",
    "most_common_label",
    "overall_table",
    "per_class_table",
    "read_results",
    "results_table",
    "write_results",
]
