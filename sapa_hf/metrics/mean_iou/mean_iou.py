"""Mean intersection over union from one joint histogram of (label, prediction) pairs.

The histogram holds all that the metric needs, whatever the options: memory does not grow with the number
of images, every option stays an argument of `compute`, and histograms of several processes merge by a sum.
"""

import warnings
from collections.abc import Mapping

import datasets
import evaluate
import numpy as np

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


def _as_map(array, name: str) -> np.ndarray:
    """Return one label map as an integer array (H, W) of values a histogram can hold."""
    array = np.asarray(array)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must hold integers, got {array.dtype}; cast class indices to an integer type"
        )
    if array.ndim != 2:
        raise ValueError(f"each of the {name} must be a map (H, W), got shape {array.shape}")
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() < LARGEST:
        raise ValueError(
            f"{name} must lie in 0..{LARGEST - 1}, got {array.min()}..{array.max()}; map other values, such "
            "as a negative ignored label, to an unused one first (255 is customary)"
        )
    return array


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class MeanIoU(evaluate.Metric):
    """Mean IoU with constant memory; see the text above for arguments and results."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.num_process > 1:
            raise ValueError(
                f"num_process={self.num_process} is not supported: give each process its own metric, sum "
                "their `histogram` and pass the sum to `merge`"
            )
        self._clear()

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Image(), "references": datasets.Image()}),
        )

    def _clear(self):
        self.histogram = np.zeros((SMALLEST, SMALLEST), np.int64)  # [label, prediction] -> pixels
        self._images = 0

    def __len__(self):
        return self._images

    def add_batch(self, *, predictions=None, references=None, **kwargs):
        """Count the pixels of some images.

        Raises:
            TypeError: a map does not hold integers.
            ValueError: the lists or the maps differ in size, or a value does not fit.
        """
        if kwargs:
            raise ValueError(f"unknown inputs {sorted(kwargs)}; give predictions and references")
        if predictions is None or references is None:
            raise ValueError("predictions and references are needed, both as lists of maps (H, W)")
        if len(predictions) != len(references):
            raise ValueError(f"got {len(predictions)} predictions but {len(references)} references")
        pairs = [
            (_as_map(p, "predictions"), _as_map(r, "references"))
            for p, r in zip(predictions, references, strict=True)
        ]
        for prediction, reference in pairs:  # all are checked before the first is counted
            if prediction.shape != reference.shape:
                raise ValueError(
                    f"a prediction is {prediction.shape} but its reference {reference.shape}; resize the "
                    "logits to the size of the reference"
                )
        for prediction, reference in pairs:
            self._count(prediction, reference)

    def add(self, *, prediction=None, reference=None, **kwargs):
        """Count the pixels of one image."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def _count(self, prediction: np.ndarray, reference: np.ndarray):
        self._images += 1
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
        if side > len(self.histogram):
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
                f"a histogram is a square of counts, got {histogram.dtype} of shape {histogram.shape}"
            )
        self._grow(len(histogram))
        self.histogram[: len(histogram), : len(histogram)] += histogram.astype(np.int64)

    def compute(self, *, predictions=None, references=None, **kwargs):
        """Compute the results over all that was added, then start anew."""
        if predictions is not None or references is not None:
            self.add_batch(predictions=predictions, references=references)
        if not self._images and not self.histogram.any():
            raise ValueError("nothing was added: call add_batch, or pass predictions and references")
        results = self._compute(self.histogram, **kwargs)
        self._clear()
        return results

    def _compute(
        self,
        histogram: np.ndarray,
        num_labels: int,
        ignore_index: int,
        nan_to_num: int | None = None,
        label_map: Mapping[int, int] | None = None,
        reduce_labels: bool = False,
    ) -> dict:
        intersection, label_area, prediction_area = class_areas(
            histogram, num_labels, ignore_index, label_map or {}, reduce_labels
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
    label_map: Mapping[int, int],
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
    target = np.arange(side)  # label value -> class
    for old, new in label_map.items():
        if 0 <= int(old) < side:
            target[int(old)] = int(new)
    if reduce_labels:
        target = np.where(target == 0, 255, target) - 1
        target[target == 254] = 255

    kept = target != ignore_index
    labelled = kept & (target >= 0) & (target < num_labels)
    joint = np.zeros((num_labels, max(side, num_labels)), np.int64)  # [class, prediction]
    np.add.at(joint[:, :side], target[labelled], histogram[labelled])
    predicted = np.zeros(max(side, num_labels), np.int64)
    predicted[:side] = histogram[kept].sum(0)  # a class predicted where the label is no class counts too
    areas = joint.diagonal(), joint.sum(1), predicted[:num_labels]
    return tuple(area.astype(np.float64) for area in areas)
