"""The least that a segmentation model must beat: one class everywhere."""

from collections.abc import Mapping

import numpy as np

from sapa_hf.data.labels import check_labels

from ..scoring import score_samples
from ..shares import IndexedSamples, image_shares
from .scores import SegmentationScores


def evaluate_constant(
    samples: IndexedSamples,
    label: int,
    *,
    num_labels: int,
    ignore_index: int = 255,
    id2label: Mapping[int, str] | None = None,
) -> dict:
    """Score the prediction of one class everywhere.

    Args:
        samples: dicts with id, image (H, W, 3) uint8 and labels (H, W).
        label: the class.
        num_labels: number of classes.
        ignore_index: label value of pixels that do not count.
        id2label: class names for the per-class results.

    Raises:
        ValueError: there is no such class.
    """
    if not 0 <= label < num_labels:
        raise ValueError(f"label must be in 0..{num_labels - 1}, got {label}")
    dtype = np.uint8 if num_labels <= 256 else np.int32
    return score_samples(
        samples,
        lambda sample: np.full(sample["labels"].shape, label, dtype),
        SegmentationScores(num_labels, ignore_index, id2label),
    )


def most_common_label(
    samples: IndexedSamples, *, num_labels: int, ignore_index: int = 255, limit: int | None = None
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
