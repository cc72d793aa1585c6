"""The loop of every evaluation: predict, measure, and sum over all processes."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Scores(Protocol):
    """Running scores of a data set, whose memory does not depend on its size."""

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Measure one image's prediction against its sample's labels."""

    def reduce(self, reduce: Callable[[Tensor], Tensor], device: torch.device | str) -> None:
        """Replace what this process gathered by the sums over all processes."""

    def results(self) -> dict:
        """Compute the metrics."""


def score_samples(
    samples: Sequence[dict],
    predict: Callable[[dict], np.ndarray],
    scores: Scores,
    indices: Iterable[int],
    reduce: Callable[[Tensor], Tensor],
    device: torch.device | str,
) -> dict:
    """Predict and measure this process's images, then sum over all processes.

    Args:
        samples: Of the data set; one whose `skipped` is not 0 stands in for an unreadable row, and is left
            out.
        predict: Gives the prediction for a sample, at its labels' size.
        scores: What gathers the measurements.
        indices: This process's images.
        reduce: Sums a tensor over the processes.
        device: Where sums are taken.

    Returns:
        The metrics, images, skipped and images_per_second: the same on every process.
    """
    counts = {"images": 0, "skipped": 0}
    start = time.perf_counter()
    for index in indices:
        sample = samples[index]
        if sample.get("skipped"):
            counts["skipped"] += 1
            continue
        scores.add(predict(sample), sample)
        counts["images"] += 1
    scores.reduce(reduce, device)
    totals = reduce(torch.tensor(list(counts.values()), device=device)).tolist()
    counts = dict(zip(counts, totals, strict=True))
    seconds = time.perf_counter() - start
    return scores.results() | counts | {"images_per_second": counts["images"] / seconds}
