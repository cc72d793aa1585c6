"""Depth errors gathered over images."""

from collections.abc import Mapping

import numpy as np

from ..summed_scores import SummedScores


class DepthScores(SummedScores):
    """Running scores of a depth data set.

    Args:
        options: Of the depth metric: min_depth, max_depth, crop.
    """

    def __init__(self, options: Mapping | None = None):
        super().__init__("depth", **(options or {}))

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Measure one image: depth (H, W) in metres against the sample's."""
        self._metric.add(prediction=prediction, reference=sample["labels"])
