"""Average precision gathered over images and processes."""

from collections.abc import Callable

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor

from sapa_hf.metrics import load_metric


class DetectionScores:
    """Running scores of a data set with boxes."""

    def __init__(self) -> None:
        self._metric = load_metric("box_ap")

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Take an image's boxes (n, 6) beside the sample's."""
        self._metric.add(prediction=prediction, reference=sample["labels"])

    def reduce(self, reduce: Callable[[Tensor], Tensor], device: torch.device | str) -> None:
        """Gather the boxes of all processes: precision needs them all, sums do not do."""
        self._metric.boxes = gather_object(self._metric.boxes)

    def results(self) -> dict:
        """Compute the average precisions."""
        return self._metric.compute()
