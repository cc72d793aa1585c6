"""Scores by a metric of sums, gathered over the images of one process and summed over all."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sapa_hf.metrics import load_metric


class SummedScores:
    """Running scores of a data set; a subclass adds an image to the metric.

    Args:
        metric: name of a `SummedMetric`.
        options: of the metric.
    """

    def __init__(self, metric: str, **options: Any):
        self._metric = load_metric(metric, **options)

    def reduce(self, reduce: Callable[[Tensor], Tensor], device: torch.device | str) -> None:
        """Replace this process's sums by those over all processes."""
        dtype = torch.float32 if torch.device(device).type == "mps" else torch.float64
        sums = reduce(torch.tensor(self._metric.sums, dtype=dtype, device=device))
        self._metric.sums = sums.double().cpu().numpy()

    def results(self) -> dict:
        """Compute the metric."""
        return self._metric.compute()
