"""Evaluation of a depth model on a data set, image by image at the depth's own size."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..eval_mode import eval_mode
from ..metrics import load_metric
from .scoring import score_samples
from .shares import image_shares, same
from .whole_depth import WholeDepth


def evaluate_depth(
    model: nn.Module,
    samples: Sequence[dict],
    *,
    metric: Mapping | None = None,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world_size: int = 1,
    reduce: Callable[[Tensor], Tensor] = same,
    progress: bool = True,
    limit: int | None = None,
    **protocol,
) -> dict:
    """Score a model on a data set.

    Args:
        model: a depth estimation model of transformers, on `device`, not wrapped by DDP.
        samples: sequence of dicts with id, image (H, W, 3) uint8 and labels (H, W) in metres. One whose
            `skipped` is not 0 stands in for an unreadable row and is left out.
        metric: options of the depth metric: min_depth, max_depth, crop.
        device: where the model lies; sums are taken there.
        rank: this process takes images rank, rank + world_size, ...: none is counted twice.
        world_size: number of processes.
        reduce: sums a tensor over the processes, such as `accelerator.reduce` with "sum".
        progress: whether rank 0 shows a bar.
        limit: number of images to use; None for all.
        protocol: the arguments of `WholeDepth`: short_side, max_side, flip, mean, std.

    Returns:
        The metric's nine errors, images, skipped, images_per_second: the same on every process.

    Raises:
        ValueError: a prediction is not finite, or there is nothing to score.
    """
    inference = WholeDepth(**protocol)
    with eval_mode(model):
        return score_samples(
            samples,
            lambda sample: inference.predict(model, sample["image"], f"image {sample['id']}"),
            DepthScores(metric),
            image_shares(samples, rank, world_size, limit, progress),
            reduce,
            device,
        )


def evaluate_constant_depth(
    samples: Sequence[dict], depth: np.ndarray, *, metric: Mapping | None = None, progress: bool = False
) -> dict:
    """Score the prediction of one depth map (H, W) for every image; any model must beat it."""
    indices = image_shares(samples, 0, 1, None, progress)
    return score_samples(samples, lambda sample: depth, DepthScores(metric), indices, same, "cpu")


def mean_depth(samples: Sequence[dict], progress: bool = False) -> np.ndarray:
    """Average the depth of all images, which have one size, pixel by pixel: the geometric mean (H, W).

    For `evaluate_constant_depth`; best taken from the training split.

    Raises:
        ValueError: the images differ in size.
    """
    logs = count = 0.0
    for index in image_shares(samples, 0, 1, None, progress):
        depth = samples[index]["labels"]
        if np.shape(logs) not in ((), depth.shape):
            raise ValueError(f"images of {np.shape(logs)} and {depth.shape} have no mean pixel by pixel")
        valid = np.isfinite(depth) & (depth > 0)
        logs = logs + np.log(np.where(valid, depth, 1), dtype=np.float64)
        count = count + valid
    return np.exp(logs / np.maximum(count, 1))


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
