"""The one place where labels are reduced, and the check that every value is a class or ignored."""

from __future__ import annotations

import numpy as np


def reduce_labels(
    labels: np.ndarray, num_labels: int, ignore_index: int = 255, name: str = "mask"
) -> np.ndarray:
    """Turn the coding 0 = other, 1..n into 0..n-1 with "other" ignored; nowhere else are labels reduced.

    A mask that already holds `ignore_index` is refused: it was most likely reduced before, and a second time
    would move every class by one.

    Args:
        labels: (H, W), as stored.
        num_labels: n.
        ignore_index: Written where 0 was stored.
        name: The row, for messages.
    """
    if (labels == ignore_index).any():
        raise ValueError(
            f"{name}: reduce_labels is set, but the mask (values {labels.min()}..{labels.max()}) already "
            f"holds the ignored label {ignore_index}: it looks reduced already, so set reduce_labels=False; "
            f"if it marks ignored pixels by both 0 and {ignore_index}, store 0 for them"
        )
    if labels.max(initial=0) > num_labels or labels.min(initial=0) < 0:
        raise ValueError(
            f"{name}: the stored labels lie in {labels.min()}..{labels.max()}, but with reduce_labels "
            f"and {num_labels} classes they must lie in 0..{num_labels}"
        )
    dtype = np.uint8 if 0 <= ignore_index <= 255 and num_labels <= 255 else np.int64
    return np.where(labels == 0, dtype(ignore_index), (labels - 1).astype(dtype))


def check_labels(labels: np.ndarray, num_labels: int, ignore_index: int = 255, name: str = "mask") -> None:
    """Raise ValueError if a label is neither a class nor the ignored one, before a loss meets it.

    Args:
        labels: (H, W), whole numbers, after reduction.
        num_labels: Classes are 0..num_labels-1.
        ignore_index: Allowed beside the classes.
        name: The image's id, for the message.
    """
    if labels.size == 0:
        return
    wrong = (labels < 0) | (labels >= num_labels)
    wrong &= labels != ignore_index
    if not wrong.any():
        return
    values = labels[wrong]
    hint = ""
    if values.min() == values.max() == num_labels and not (labels == ignore_index).any():
        hint = "; if the mask stores 0 for 'other' and counts classes from 1, set reduce_labels=True"
    elif values.min() == values.max() == 255 and num_labels == 2:
        hint = "; if the mask stores 255 for class 1, store 1 in its place"
    raise ValueError(
        f"{name}: labels {np.unique(values)[:8].tolist()} are not classes "
        f"(min {labels.min()}, max {labels.max()}); allowed are 0..{num_labels - 1}, "
        f"and {ignore_index} for ignored pixels{hint}"
    )
