"""Label maps as the segmentation metrics read them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def label_pair(prediction, reference, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a prediction and its reference as integer arrays (H, W) of one size.

    Args:
        prediction: Class indices.
        reference: Class indices.
        largest: Value that may occur.

    Raises:
        TypeError: A map does not hold integers.
        ValueError: A map has not two dimensions, a value lies outside 0..largest, or the sizes differ.
    """
    prediction = _label_map(prediction, "predictions", largest)
    reference = _label_map(reference, "references", largest)
    if prediction.shape != reference.shape:
        raise ValueError(
            f"a prediction is {prediction.shape} but its reference {reference.shape}; resize the logits to "
            "the size of the reference"
        )
    return prediction, reference


def recode(labels: np.ndarray, label_map: Mapping[int, int] | None, reduce_labels: bool) -> np.ndarray:
    """Map old label values to new ones, all at once, then turn 0 into 255 and move the others down by one.

    Args:
        labels: Integers, of any shape.
        label_map: Old value -> new value; None for none.
        reduce_labels: Whether labels are reduced, as ADE20K's are.
    """
    recoded = labels.astype(np.int64)
    for old, new in (label_map or {}).items():
        recoded[labels == int(old)] = int(new)
    if reduce_labels:
        recoded = np.where((recoded == 0) | (recoded == 255), 255, recoded - 1)
    return recoded


def _label_map(array, name: str, largest: int) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must hold integers, got {array.dtype}: cast class indices to an integer type"
        )
    if array.ndim != 2:
        raise ValueError(f"each of the {name} must be a map (H, W), got shape {array.shape}")
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() <= largest:
        raise ValueError(
            f"{name} must lie in 0..{largest}, got {array.min()}..{array.max()}: map other values, such as a "
            "negative ignored label, to an unused one first (255 is customary)"
        )
    return array
