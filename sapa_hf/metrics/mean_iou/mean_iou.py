"""Mean intersection over union from one joint histogram of (label, prediction) pairs.

The histogram holds all that the metric needs, whatever the options: memory does not grow with the number
of images, every option stays an argument of `compute`, and histograms of several processes merge by a sum.
"""

import warnings
from collections.abc import Mapping

import evaluate
import numpy as np

from sapa_hf.metrics.label_maps import label_pair, recode
from sapa_hf.metrics.running_metric import RunningMetric, metric_info

_DESCRIPTION = """
Intersection over union of predicted and true segmentation, per class over the whole data set and as the mean
over the classes that occur. Arguments and results are those of the evaluate library's `mean_iou` metric.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: list of integer maps (H, W); each may have its own size.
    references: list of integer maps (H, W) of the same sizes.
    num_labels (int): number of classes.
    ignore_index (int): label value whose pixels are left out; predictions there do not matter.
    nan_to_num (int, optional): replaces nan in every result, after the means have been taken.
    label_map (dict, optional): old label value -> new label value, applied to the references, all at once.
    reduce_labels (bool): label 0 becomes 255 and the others move down by one (ADE20K), after label_map.
Returns:
    mean_iou, mean_accuracy, overall_accuracy (numpy floats), per_category_iou and per_category_accuracy
    (arrays of num_labels; nan for a class that does not occur).
"""

_CITATION = """
@article{everingham2010pascal, title={The Pascal Visual Object Classes (VOC) Challenge},
author={Everingham and Van Gool and Williams and Winn and Zisserman}, journal={IJCV}, year={2010}}
"""

SMALLEST, LARGEST = 256, 4096  # side of the histogram: it grows, by doubling, with the values it is given


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class MeanIoU(RunningMetric):
    """Mean IoU with constant memory; see the text above for arguments and results."""

    def _info(self):
        return metric_info(_DESCRIPTION, _KWARGS_DESCRIPTION, _CITATION)

    def _clear(self):
        self.histogram = np.zeros((SMALLEST, SMALLEST), np.int64)  # [label, prediction] -> pixels

    def _is_empty(self):
        return not self._images and not self.histogram.any()

    def _checked(self, prediction, reference):
        return label_pair(prediction, reference, LARGEST - 1)

    def _count(self, prediction, reference):
        if not prediction.size:
            return
        self._grow(1 + max(int(prediction.max()), int(reference.max())))
        side = len(self.histogram)
        cell = reference.astype(np.int64).ravel() * side + prediction.ravel()
        self.histogram += np.bincount(cell, minlength=side * side).reshape(side, side)

    def _grow(self, needed: int):
        side = len(self.histogram)
        while side < needed:
            side *= 2
        margin = side - len(self.histogram)
        self.histogram = np.pad(self.histogram, ((0, margin), (0, margin)))

    def merge(self, histogram: np.ndarray):
        """Add the histogram of another process, or the sum over several.

        Args:
            histogram: (N, N) pixel counts, [label, prediction].

        Raises:
            ValueError: it is not a square of non-negative integers.
        """
        histogram = np.asarray(histogram)
        square = histogram.ndim == 2 and histogram.shape[0] == histogram.shape[1] <= LARGEST
        if not square or histogram.dtype.kind not in "iu" or (histogram < 0).any():
            raise ValueError(
                f"a histogram must be a square of counts, got {histogram.dtype} of shape {histogram.shape}"
            )
        self._grow(len(histogram))
        self.histogram[: len(histogram), : len(histogram)] += histogram.astype(np.int64)

    def _compute(
        self,
        num_labels: int,
        ignore_index: int,
        nan_to_num: int | None = None,
        label_map: Mapping[int, int] | None = None,
        reduce_labels: bool = False,
    ) -> dict:
        intersection, label_area, prediction_area = class_areas(
            self.histogram, num_labels, ignore_index, label_map, reduce_labels
        )
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # classes that do not occur are nan by definition
            iou = intersection / (label_area + prediction_area - intersection)
            accuracy = intersection / label_area
            results = {
                "mean_iou": np.nanmean(iou),
                "mean_accuracy": np.nanmean(accuracy),
                "overall_accuracy": intersection.sum() / label_area.sum(),
                "per_category_iou": iou,
                "per_category_accuracy": accuracy,
            }
        if nan_to_num is not None:
            results = {key: np.nan_to_num(value, nan=nan_to_num) for key, value in results.items()}
        return results


def class_areas(
    histogram: np.ndarray,
    num_labels: int,
    ignore_index: int,
    label_map: Mapping[int, int] | None,
    reduce_labels: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the pixels of each class out of a joint histogram.

    Args:
        histogram: (N, N) counts, [label, prediction].
        num_labels: number of classes; values outside 0..num_labels-1 belong to no class.
        ignore_index: label value, after the two mappings, whose row is left out.
        label_map: old label value -> new one.
        reduce_labels: whether label 0 becomes 255 and the others move down by one.

    Returns:
        Pixels where both agree, pixels of the label, pixels of the prediction: float64 arrays (num_labels,).
    """
    if num_labels < 1:
        raise ValueError(f"num_labels must be at least 1, got {num_labels}")
    side = len(histogram)
    target = recode(np.arange(side), label_map, reduce_labels)  # label value -> class
    kept = target != ignore_index
    labelled = kept & (target >= 0) & (target < num_labels)
    joint = np.zeros((num_labels, max(side, num_labels)), np.int64)  # [class, prediction]
    np.add.at(joint[:, :side], target[labelled], histogram[labelled])
    predicted = np.zeros(max(side, num_labels), np.int64)
    predicted[:side] = histogram[kept].sum(0)  # a class predicted where the label is not a class counts too
    areas = joint.diagonal(), joint.sum(1), predicted[:num_labels]
    return tuple(area.astype(np.float64) for area in areas)
