"""Prediction on image files: finding them, the task's predictor, and the loop that survives a broken file."""

from .depth import DepthPredictor
from .files import predict_files
from .find import find_images
from .predictor import PREDICTORS, load_predictor
from .segmentation import SegmentationPredictor

__all__ = [
    "PREDICTORS",
    "DepthPredictor",
    "SegmentationPredictor",
    "find_images",
    "load_predictor",
    "predict_files",
]
