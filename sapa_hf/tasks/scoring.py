"""The loop of every evaluation: predict, measure, and sum over all processes."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from ..eval_mode import eval_mode
from .shares import IndexedSamples, image_shares, same


class Inference(Protocol):
    """What a model makes of a whole photo."""

    @property
    def protocol(self) -> dict[str, Any]:
        """What decides the result beside the model, for the results file."""

    def predict(self, model: nn.Module, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict a photo (H, W, 3) uint8 at its own size; errors call it `name`."""


class Predictor(Protocol):
    """A model with its inference, and how its predictions are drawn."""

    @property
    def inference(self) -> Inference:
        """How it predicts."""

    def predict(self, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict a photo (H, W, 3) uint8; errors call it `name`."""

    def pictures(self, image: np.ndarray, prediction: np.ndarray, /) -> dict[str, Image.Image]:
        """Draw a prediction: name of a file's kind -> its picture."""


class Scores(Protocol):
    """Running scores of a data set, whose memory does not depend on its size."""

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Measure one image's prediction against its sample's labels."""

    def reduce(self, reduce: Callable[[Tensor], Tensor], device: torch.device | str) -> None:
        """Replace what this process gathered by the sums over all processes."""

    def results(self) -> dict:
        """Compute the metrics."""


def score_model(
    model: nn.Module, samples: IndexedSamples, inference: Inference, scores: Scores, **options: Any
) -> dict:
    """Score a model on a data set.

    Args:
        model: On its device, not wrapped by DDP, whose ranks wait for each other even though they hold
            different numbers of images. Its modes are as they were afterwards.
        samples: See `score_samples`.
        inference: How it predicts a photo.
        scores: What gathers the measurements.
        options: See `score_samples`.

    Returns:
        What `score_samples` does.
    """
    with eval_mode(model):
        return score_samples(
            samples,
            lambda sample: inference.predict(model, sample["image"], f"image {sample['id']}"),
            scores,
            **options,
        )


def score_samples(
    samples: IndexedSamples,
    predict: Callable[[dict], np.ndarray],
    scores: Scores,
    *,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world_size: int = 1,
    reduce: Callable[[Tensor], Tensor] = same,
    limit: int | None = None,
    progress: bool = False,
) -> dict:
    """Predict and measure this process's images, then sum over all processes.

    Args:
        samples: Dicts with id, image (H, W, 3) uint8 and labels; one whose `skipped` is not 0 stands in for
            an unreadable row, and is left out.
        predict: Gives the prediction for a sample, at its labels' size.
        scores: What gathers the measurements.
        device: Where sums are taken.
        rank: This process takes images rank, rank + world_size, ...: none is counted twice.
        world_size: Number of processes.
        reduce: Sums a tensor over the processes, such as `accelerator.reduce` with "sum".
        limit: Number of images to use; None for all.
        progress: Whether rank 0 shows a bar.

    Returns:
        The metrics, images, skipped and images_per_second: the same on every process.

    Raises:
        ValueError: There is nothing to score, or see `inference` and `scores`.
    """
    counts = {"images": 0, "skipped": 0}
    start = time.perf_counter()
    for index in image_shares(samples, rank, world_size, limit, progress):
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


def share_of(accelerator: Accelerator) -> dict[str, Any]:
    """Give a process's arguments of `score_samples`: its device, its images and the sum over all."""
    return {
        "device": accelerator.device,
        "rank": accelerator.process_index,
        "world_size": accelerator.num_processes,
        "reduce": partial(accelerator.reduce, reduction="sum"),
    }
