"""Depth errors gathered over the images of one process and summed over all."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from sapa_hf.metrics import load_metric


class DepthScores:
    """Running scores of a depth data set.

    Args:
        options: Of the depth metric: min_depth, max_depth, crop.
    """

    def __init__(self, options: Mapping | None = None):
        self._metric = load_metric("depth", **(options or {}))

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Measure one image: depth (H, W) in metres against the sample's."""
        self._metric.add(prediction=prediction, reference=sample["labels"])

    def reduce(self, reduce: Callable[[Tensor], Tensor], device: torch.device | str) -> None:
        """Replace this process's sums by those over all processes."""
        dtype = torch.float32 if torch.device(device).type == "mps" else torch.float64
        sums = reduce(torch.tensor(self._metric.sums, dtype=dtype, device=device))
        self._metric.sums = sums.double().cpu().numpy()

    def results(self) -> dict:
        """Compute the nine errors."""
        return self._metric.compute()
