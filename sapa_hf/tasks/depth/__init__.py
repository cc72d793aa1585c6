"""Depth estimation: the distance of every pixel in metres."""

from .predictor import DepthPredictor
from .scores import DepthScores
from .task import DepthTask
from .trivial import evaluate_constant_depth, mean_depth
from .whole_depth import WholeDepth

__all__ = [
    "DepthPredictor",
    "DepthScores",
    "DepthTask",
    "WholeDepth",
    "evaluate_constant_depth",
    "mean_depth",
]
