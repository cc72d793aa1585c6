"""Matting errors gathered over the images of one process and summed over all."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sapa_hf.metrics import load_metric


class MattingScores:
    """Running scores of a matting data set."""

    def __init__(self) -> None:
        self._metric = load_metric("matting")

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Measure one image: a matte (H, W) in 0..1 against the sample's."""
        labels = sample["labels"]  # (H, W), or (H, W, 7) with foreground and background
        truth = labels if labels.ndim == 2 else labels[..., 0]
        self._metric.add(prediction=prediction, reference=truth, trimap=sample["image"][..., 3])

    def reduce(self, reduce: Callable[[Tensor], Tensor], device: torch.device | str) -> None:
        """Replace this process's sums by those over all processes."""
        dtype = torch.float32 if torch.device(device).type == "mps" else torch.float64
        sums = reduce(torch.tensor(self._metric.sums, dtype=dtype, device=device))
        self._metric.sums = sums.double().cpu().numpy()

    def results(self) -> dict:
        """Compute the four errors."""
        return self._metric.compute()
