"""How often the classes of a split occur, and the weights that even them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import datasets
import numpy as np

from .decode import BadSampleError
from .samples import OnBad, read_labels
from .spec import DatasetSpec


def read_label_maps(
    dataset: datasets.Dataset | datasets.IterableDataset, spec: DatasetSpec, on_bad: OnBad = "raise"
) -> Iterator[np.ndarray]:
    """Yield the (H, W) labels of a whole split; its photos are not read.

    Args:
        dataset: The split, from `load_split`.
        spec: Its description.
        on_bad: At an unreadable row, "raise" or "skip" it.
    """
    for index, row in enumerate(dataset.select_columns([spec.label_column])):
        try:
            yield read_labels(row, spec, f"{dataset.split or 'row'}[{index}]")
        except BadSampleError:
            if on_bad == "raise":
                raise


def median_frequency_weights(label_maps: Iterable[np.ndarray], num_labels: int) -> list[float]:
    """Weigh each class by the median class's frequency over its own (Eigen and Fergus, 2015; SegNet).

    A class's frequency is its share of the labelled pixels, over the photos that show it.

    Args:
        label_maps: (H, W) integers each; a value outside the classes is not labelled.
        num_labels: How many classes there are.

    Returns:
        One weight for each class; 0 for a class that never occurs, which nothing can teach.

    Raises:
        ValueError: No pixel is labelled.
    """
    pixels = np.zeros(num_labels)  # of each class
    around = np.zeros(num_labels)  # labelled pixels of the photos that show it
    for labels in label_maps:
        inside = labels[(labels >= 0) & (labels < num_labels)]
        found = np.bincount(inside.astype(np.int64), minlength=num_labels)
        pixels += found
        around += (found > 0) * found.sum()
    shown = pixels > 0
    if not shown.any():
        raise ValueError("classes can be weighted only where some pixel is labelled, got none")
    frequency = np.where(shown, pixels / np.maximum(around, 1), np.inf)
    return [float(weight) for weight in np.median(frequency[shown]) / frequency]
