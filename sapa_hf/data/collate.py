"""Put samples into one batch, checking the labels once more while an error can still name the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .labels import check_labels


def collate(
    items: list[dict[str, Any]], num_labels: int | None = None, ignore_index: int = 255
) -> dict[str, Any]:
    """Stack samples of one size into a batch.

    Args:
        items: Samples with id, pixel_values (3, h, w) float32, labels (h, w) and skipped.
        num_labels: Number of classes, to check class maps against; depth maps are not checked.
        ignore_index: Allowed beside the classes.

    Returns:
        pixel_values (B, 3, h, w), labels (B, h, w) int64 or float32, ids, and skipped, the number of
        unreadable rows passed over.
    """
    if not items:
        raise ValueError("a batch needs at least one sample")
    for item in items:
        if num_labels is not None and np.issubdtype(item["labels"].dtype, np.integer):
            check_labels(item["labels"], num_labels, ignore_index, item["id"])
    return {
        "pixel_values": torch.from_numpy(np.stack([item["pixel_values"] for item in items])),  # (B, 3, h, w)
        "labels": torch.from_numpy(np.stack([item["labels"] for item in items])),  # (B, h, w)
        "ids": [item["id"] for item in items],
        "skipped": sum(item["skipped"] for item in items),
    }
