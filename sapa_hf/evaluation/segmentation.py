"""Evaluation of a segmentation model on a data set, image by image at the labels' own size."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..data.labels import check_labels
from ..eval_mode import eval_mode
from .scoring import score_samples
from .segmentation_scores import SegmentationScores
from .shares import image_shares, same
from .whole_image import WholeImage


def evaluate_segmentation(
    model: nn.Module,
    samples: Sequence[dict],
    *,
    num_labels: int,
    ignore_index: int = 255,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world_size: int = 1,
    reduce: Callable[[Tensor], Tensor] = same,
    progress: bool = True,
    limit: int | None = None,
    id2label: Mapping[int, str] | None = None,
    **protocol,
) -> dict:
    """Score a model on a data set.

    Args:
        model: a semantic segmentation model of transformers, on `device`, not wrapped by DDP.
        samples: sequence of dicts with id, image (H, W, 3) uint8 and labels (H, W). One whose `skipped` is
            not 0 stands in for an unreadable row and is left out.
        num_labels: number of classes.
        ignore_index: label value of pixels that do not count.
        device: where the model lies; counts are summed there.
        rank: this process takes images rank, rank + world_size, ...: none is counted twice.
        world_size: number of processes.
        reduce: sums a tensor over the processes, such as `accelerator.reduce` with "sum".
        progress: whether rank 0 shows a bar.
        limit: number of images to use; None for all.
        id2label: class names for the per-class results.
        protocol: the arguments of `WholeImage`: short_side, max_side, multiple, scales, flip, mean, std.

    Returns:
        mean_iou, mean_accuracy, overall_accuracy, boundary_iou, per_class (see
        `SegmentationScores.results`), images, skipped, images_per_second: the same on every process.

    Raises:
        ValueError: a label is neither a class nor ignored, logits are not finite, or there is nothing to
            score.
    """
    inference = WholeImage(**protocol)
    with eval_mode(model):
        return score_samples(
            samples,
            lambda sample: inference.predict(model, sample["image"], f"image {sample['id']}"),
            SegmentationScores(num_labels, ignore_index, id2label),
            image_shares(samples, rank, world_size, limit, progress),
            reduce,
            device,
        )


def evaluate_constant(
    samples: Sequence[dict],
    label: int,
    *,
    num_labels: int,
    ignore_index: int = 255,
    device: torch.device | str = "cpu",
    rank: int = 0,
    world_size: int = 1,
    reduce: Callable[[Tensor], Tensor] = same,
    progress: bool = False,
    limit: int | None = None,
    id2label: Mapping[int, str] | None = None,
) -> dict:
    """Score the prediction of one class everywhere, as evaluate_segmentation does; any model must beat it."""
    if not 0 <= label < num_labels:
        raise ValueError(f"label must lie in 0..{num_labels - 1}, got {label}")
    dtype = np.uint8 if num_labels <= 256 else np.int32
    return score_samples(
        samples,
        lambda sample: np.full(sample["labels"].shape, label, dtype),
        SegmentationScores(num_labels, ignore_index, id2label),
        image_shares(samples, rank, world_size, limit, progress),
        reduce,
        device,
    )


def most_common_label(
    samples: Sequence[dict], *, num_labels: int, ignore_index: int = 255, limit: int | None = None
) -> int:
    """Find the class with the most pixels, for `evaluate_constant`; best taken from the training split."""
    pixels = np.zeros(num_labels, np.int64)
    for index in image_shares(samples, 0, 1, limit, progress=False):
        sample = samples[index]
        labels = sample["labels"]
        check_labels(labels, num_labels, ignore_index, f"image {sample['id']}")
        pixels += np.bincount(labels[labels != ignore_index].ravel(), minlength=num_labels)
    if not pixels.any():
        raise ValueError(f"no pixel has a label: all are {ignore_index}")
    return int(pixels.argmax())
