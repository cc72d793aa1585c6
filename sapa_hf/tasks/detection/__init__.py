"""Object detection: boxes with classes and scores."""

from .predictor import DetectionPredictor
from .scores import DetectionScores
from .task import DetectionTask
from .whole_detection import WholeDetection

__all__ = ["DetectionPredictor", "DetectionScores", "DetectionTask", "WholeDetection"]
