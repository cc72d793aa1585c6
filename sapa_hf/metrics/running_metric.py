"""What the metrics share: each image is counted as it is added, so memory does not grow with the data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import datasets
import evaluate
import numpy as np


class RunningMetric(evaluate.Metric, ABC):  # evaluate.load passes over abstract classes
    """A metric of `evaluate` that keeps sums only; those of several processes merge by adding them up.

    A subclass gives `_info`, `_clear` (empty sums), `_checked` (one pair of maps), `_count`, `_is_empty` and
    `_compute`.

    Args:
        args: For `evaluate.Metric`.
        options: What counting depends on, with its value. `compute` takes other values for the images that
            are passed to it.
        kwargs: For `evaluate.Metric`.

    Raises:
        ValueError: An option makes no sense, or num_process is not 1.
    """

    def __init__(self, *args, options: dict[str, Any] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        if self.num_process > 1:
            raise ValueError(
                f"num_process must be 1, got {self.num_process}: give each process a metric of its own and "
                "pass the sum of what they counted to `merge`"
            )
        self.options = self._checked_options(options or {})
        self._images = 0
        self._clear()

    def __len__(self) -> int:
        return self._images

    def add_batch(self, *, predictions=None, references=None):
        """Count some images; all are checked before the first is counted.

        Raises:
            TypeError: A map does not hold numbers of the right kind.
            ValueError: The lists or the maps differ in size, or a value does not fit.
        """
        if predictions is None or references is None:
            raise ValueError("predictions and references are needed, both as lists of maps (H, W)")
        if len(predictions) != len(references):
            raise ValueError(f"got {len(predictions)} predictions but {len(references)} references")
        pairs = [self._checked(*pair) for pair in zip(predictions, references, strict=True)]
        for pair in pairs:
            self._count(*pair)
        self._images += len(pairs)

    def add(self, *, prediction=None, reference=None, predictions=None, references=None):
        """Count one image; `evaluate.combine` uses the plural names for it."""
        prediction = predictions if prediction is None else prediction
        reference = references if reference is None else reference
        self.add_batch(predictions=[prediction], references=[reference])

    def compute(self, *, predictions=None, references=None, **options):
        """Compute the results over all that was added, then start anew."""
        own, given = self.options, {key: options.pop(key) for key in self.options if key in options}
        self.options = self._checked_options(own | given)
        try:
            if self.options != own and not self._is_empty():
                raise ValueError(
                    f"images were counted with {own}, got {given}: give the options to evaluate.load, or all "
                    "images to compute"
                )
            if predictions is not None or references is not None:
                self.add_batch(predictions=predictions, references=references)
            if self._is_empty():
                raise ValueError("nothing was added: call add_batch, or pass predictions and references")
            results = self._compute(**options)
        finally:
            self.options = own
        self._images = 0
        self._clear()
        return results

    def _checked_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options; ValueError where one makes no sense."""
        return options

    @abstractmethod
    def _clear(self) -> None:
        """Start with empty sums."""

    @abstractmethod
    def _is_empty(self) -> bool:
        """Whether nothing has been added or merged."""

    @abstractmethod
    def _checked(self, prediction, reference) -> tuple[np.ndarray, np.ndarray]:
        """Return one pair of maps as arrays that can be counted, or raise."""

    @abstractmethod
    def _count(self, prediction: np.ndarray, reference: np.ndarray) -> None:
        """Add one pair of maps to the sums."""


def metric_info(description: str, arguments: str, citation: str) -> evaluate.MetricInfo:
    """Describe a metric on pairs of maps to `evaluate`."""
    return evaluate.MetricInfo(
        description=description,
        citation=citation,
        inputs_description=arguments,
        features=datasets.Features({"predictions": datasets.Image(), "references": datasets.Image()}),
    )
