"""Image matting: how much of every pixel is foreground, given a trimap."""

from .predictor import MattingPredictor
from .scores import MattingScores
from .task import MattingTask
from .trivial import evaluate_half
from .whole_matte import WholeMatte

__all__ = ["MattingPredictor", "MattingScores", "MattingTask", "WholeMatte", "evaluate_half"]
