"""Boxes of objects, as COCO's annotations have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .decode import BadSampleError
from .spec import DatasetSpec

BOX_COLUMNS = 7  # x1, y1, x2, y2 in pixels, class, area in pixels, whether it is a crowd


def read_boxes(row: dict[str, Any], spec: DatasetSpec, name: str) -> np.ndarray:
    """Read a row's objects: bbox (x, y, width, height in pixels), category, and perhaps area and iscrowd.

    Args:
        row: Of a data set with an `objects_column`, whose entries are lists of one length.
        spec: Its description.
        name: How errors call the row.

    Returns:
        (n, 7) float64, see `BOX_COLUMNS`; n may be 0. An object without an area has its box's.

    Raises:
        BadSampleError: A box is not four finite numbers with sides of 0 or more.
        ValueError: A category is not a class: that concerns the whole data set.
    """
    name = f"{name}, {spec.objects_column}"
    objects = _as_lists(row[spec.objects_column] or {})
    try:
        boxes = np.array(objects.get("bbox", []), np.float64).reshape(-1, 4)
        classes = np.array(objects.get("category", []), np.float64)
        areas = np.array(objects.get("area", boxes[:, 2] * boxes[:, 3]), np.float64)
        crowds = np.array(objects.get("iscrowd", np.zeros(len(boxes))), np.float64)
    except (TypeError, ValueError) as error:
        raise BadSampleError(f"{name} must hold bbox (x, y, width, height) and category: {error}") from error
    if not len(boxes) == len(classes) == len(areas) == len(crowds):
        raise BadSampleError(
            f"{name} must have one category for each bbox, got {len(boxes)} boxes and {len(classes)}"
        )
    if not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any():
        raise BadSampleError(f"{name} must have finite boxes with sides of 0 or more, got {boxes.tolist()}")
    wrong = classes[(classes < 0) | (classes >= spec.num_labels) | (classes % 1 != 0)]
    if wrong.size:
        raise ValueError(
            f"{name}: a category must be a class 0..{spec.num_labels - 1}, got {wrong[0]:g}; COCO's own ids "
            "run from 1 to 90 with gaps: number the classes anew, and name them in id2label"
        )
    boxes[:, 2:] += boxes[:, :2]
    return np.column_stack([boxes, classes, areas, crowds])  # (n, 7)


def _as_lists(objects: dict[str, list] | list[dict[str, Any]]) -> dict[str, list]:
    """Bring a list of objects to lists by name; `datasets` gives either."""
    if isinstance(objects, dict):
        return {name: values for name, values in objects.items() if values is not None}
    return {name: [one[name] for one in objects] for name in (objects[0] if objects else {})}
