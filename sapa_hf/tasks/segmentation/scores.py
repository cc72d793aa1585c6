"""Mean IoU and boundary IoU gathered over the images of one process and summed over all."""

import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from sapa_hf.data.labels import check_labels
from sapa_hf.metrics import load_metric

logger = logging.getLogger(__name__)


class SegmentationScores:
    """Running scores of a segmentation data set; memory does not depend on its size.

    Args:
        num_labels: number of classes.
        ignore_index: label value of pixels that do not count; any integer that is not a class.
        id2label: class names for the per-class results.
    """

    def __init__(self, num_labels: int, ignore_index: int, id2label: Mapping[int, str] | None = None):
        self.num_labels, self.ignore_index, self.names = num_labels, ignore_index, id2label or {}
        # Ignored pixels are held as one value more, so that every ignore_index fits.
        self._ignored = num_labels
        self._mean_iou = load_metric("mean_iou")
        self._boundary_iou = load_metric("boundary_iou", ignore_index=self._ignored)
        values = num_labels + 1  # ranks sum histograms, whose sizes must not depend on what each has seen
        self._mean_iou.merge(np.zeros((values, values), np.int64))
        self._boundary_iou.merge(np.zeros((3, values), np.int64))

    def add(self, prediction: np.ndarray, sample: dict) -> None:
        """Count one image: class indices (H, W) against the sample's labels (H, W).

        Raises:
            ValueError: a label is neither a class nor ignored.
        """
        labels = np.asarray(sample["labels"])
        check_labels(labels, self.num_labels, self.ignore_index, f"image {sample['id']}")
        dtype = np.uint8 if self._ignored < 256 else np.int32
        ignored = labels == self.ignore_index
        reference = labels.astype(dtype)
        reference[ignored] = self._ignored
        self._mean_iou.add(prediction=prediction, reference=reference)
        self._boundary_iou.add(prediction=prediction, reference=reference)

    def reduce(self, reduce: Callable[[Tensor], Tensor], device: torch.device | str) -> None:
        """Replace this process's counts by their sums over all processes."""
        for metric in (self._mean_iou, self._boundary_iou):
            metric.histogram = reduce(torch.from_numpy(metric.histogram).to(device)).cpu().numpy()

    def results(self) -> dict:
        """Compute the scores.

        Returns:
            mean_iou, mean_accuracy, overall_accuracy, boundary_iou as floats in 0..1, and per_class: a list
            of dicts with id, name, iou, accuracy, boundary_iou (None where the class does not occur) and
            pixels.

        Raises:
            ValueError: no pixel is labelled.
        """
        pixels = self._mean_iou.histogram.sum(1)[: self.num_labels]
        if not pixels.any():
            raise ValueError(
                f"no pixel has a label in 0..{self.num_labels - 1}: all are {self.ignore_index}; does "
                "this split have labels?"
            )
        if self.num_labels > 1 and np.count_nonzero(pixels) == 1:
            only = int(pixels.argmax())
            logger.warning(
                "the labels hold only class %d (%s), besides the ignored value %d: the scores say nothing "
                "about the other classes, which never occur",
                only,
                self.names.get(only, only),
                self.ignore_index,
            )
        overall = self._mean_iou.compute(num_labels=self.num_labels, ignore_index=self._ignored)
        boundary = self._boundary_iou.compute(num_labels=self.num_labels)
        columns = {
            "iou": overall.pop("per_category_iou"),
            "accuracy": overall.pop("per_category_accuracy"),
            "boundary_iou": boundary.pop("per_category_boundary_iou"),
        }
        per_class = [
            {"id": c, "name": self.names.get(c, str(c))}
            | {key: None if np.isnan(values[c]) else float(values[c]) for key, values in columns.items()}
            | {"pixels": int(pixels[c])}
            for c in range(self.num_labels)
        ]
        return {key: float(value) for key, value in (overall | boundary).items()} | {"per_class": per_class}
