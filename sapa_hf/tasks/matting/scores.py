"""Matting errors gathered over images."""

import numpy as np

from ..summed_scores import SummedScores


class MattingScores(SummedScores):
    """Running scores of a matting data set."""

    def __init__(self) -> None:
        super().__init__("matting")

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Measure one image: a matte (H, W) in 0..1 against the sample's."""
        labels = sample["labels"]  # (H, W), or (H, W, 7) with foreground and background
        truth = labels if labels.ndim == 2 else labels[..., 0]
        self._metric.add(prediction=prediction, reference=truth, trimap=sample["image"][..., 3])
