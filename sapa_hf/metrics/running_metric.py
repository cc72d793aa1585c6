"""What the metrics share: each image is counted as it is added, so memory does not grow with the data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import datasets
import evaluate
import numpy as np


class RunningMetric(evaluate.Metric, ABC):  # evaluate.load passes over abstract classes
    """A metric of `evaluate` that keeps sums only; those of several processes merge by adding them up.

    A subclass gives `_info`, `_clear` (empty sums), `_checked` (the maps of one image), `_count`, `_is_empty`
    and `_compute`.

    Attributes:
        inputs: The lists of maps that are compared, by name.

    Args:
        args: For `evaluate.Metric`.
        options: What counting depends on, with its value. `compute` takes other values for the images that
            are passed to it.
        kwargs: For `evaluate.Metric`.

    Raises:
        ValueError: An option makes no sense, or num_process is not 1.
    """

    inputs: tuple[str, ...] = ("predictions", "references")

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

    def add_batch(self, *, predictions=None, references=None, **others):
        """Count some images; all are checked before the first is counted.

        Raises:
            TypeError: A map does not hold numbers of the right kind.
            ValueError: The lists or the maps differ in size, or a value does not fit.
        """
        given = {"predictions": predictions, "references": references, **others}
        if set(given) != set(self.inputs) or any(maps is None for maps in given.values()):
            there = [name for name, maps in given.items() if maps is not None]
            raise ValueError(
                f"{_listed(self.inputs)} are needed, each as a list of maps (H, W), got {_listed(there)}"
            )
        sizes = {name: len(given[name]) for name in self.inputs}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"all lists must be of one length, got {_listed(f'{n} {name}' for name, n in sizes.items())}"
            )
        images = [self._checked(*maps) for maps in zip(*(given[name] for name in self.inputs), strict=True)]
        for maps in images:
            self._count(*maps)
        self._images += len(images)

    def add(self, *, prediction=None, reference=None, **others):
        """Count one image; `evaluate.combine` uses the plural names for it."""
        given = {"predictions": prediction, "references": reference}
        given = {name: one for name, one in given.items() if one is not None} | others
        plural = {name if name in self.inputs else f"{name}s": one for name, one in given.items()}
        self.add_batch(**{name: [one] for name, one in plural.items() if one is not None})

    def compute(self, **options):
        """Compute the results over all that was added, and the maps passed here; then start anew."""
        maps = {name: options.pop(name) for name in self.inputs if options.get(name) is not None}
        options = {name: option for name, option in options.items() if name not in self.inputs}
        own, given = self.options, {key: options.pop(key) for key in self.options if key in options}
        self.options = self._checked_options(own | given)
        try:
            if self.options != own and not self._is_empty():
                raise ValueError(
                    f"images were counted with {own}, got {given}: give the options to evaluate.load, or all "
                    "images to compute"
                )
            if maps:
                self.add_batch(**maps)
            if self._is_empty():
                raise ValueError(f"nothing was added: call add_batch, or pass {_listed(self.inputs)}")
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
    def _checked(self, *maps) -> tuple[np.ndarray, ...]:
        """Return the maps of one image, in the order of `inputs`, as arrays that can be counted, or raise."""

    @abstractmethod
    def _count(self, *maps: np.ndarray) -> None:
        """Add the maps of one image, as `_checked` returns them, to the sums."""


class SummedMetric(RunningMetric):
    """A metric whose images add up to an array of numbers, `sums`; a subclass gives `_count` and `_compute`.

    Attributes:
        shape: of the sums.
    """

    shape: tuple[int, ...]

    def merge(self, sums: np.ndarray) -> None:
        """Add the sums of another process, or the total of several.

        Args:
            sums: of this metric's shape.

        Raises:
            ValueError: they have not this form.
        """
        sums = np.asarray(sums)
        if sums.shape != self.shape or not np.isfinite(sums).all():
            raise ValueError(f"sums must be finite numbers {self.shape}, got {sums.dtype} of {sums.shape}")
        self.sums += sums

    def _clear(self):
        self.sums = np.zeros(self.shape)

    def _is_empty(self):
        return not self._images and not self.sums.any()


def _listed(names: Iterable[str]) -> str:
    """Join names as a sentence does: "a, b and c"."""
    *first, last = list(names) or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def metric_info(
    description: str, arguments: str, citation: str, inputs: tuple[str, ...] = RunningMetric.inputs
) -> evaluate.MetricInfo:
    """Describe a metric on maps to `evaluate`."""
    return evaluate.MetricInfo(
        description=description,
        citation=citation,
        inputs_description=arguments,
        features=datasets.Features({name: datasets.Image() for name in inputs}),
    )
