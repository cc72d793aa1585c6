"""Prediction on image files: finding them, the task's predictor, and the loop that survives a broken file."""

from .files import predict_files
from .find import find_images
from .predictor import load_predictor

__all__ = ["find_images", "load_predictor", "predict_files"]
