"""Boundary intersection over union: mean IoU counted only in a band along the outlines of the classes.

Definition: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021,
section 4. For the masks G and P of one class, with G_d the pixels within distance d of G's contour,

    Boundary IoU = |(G_d and G) and (P_d and P)| / |(G_d and G) or (P_d and P)|

G_d and G is G minus its erosion, d times, by a 3x3 square; the outside of the image belongs to no mask;
d = 2 % of the image diagonal, at least one pixel.

For semantic segmentation the two areas are summed per class over the data set, then divided, then averaged
over the classes that occur, as mean IoU does. Ignored pixels belong to no class in either map: what is
predicted there cannot change the result, and a perfect prediction gets exactly 1.
"""

import warnings
from collections.abc import Mapping

import evaluate
import numpy as np

from sapa_hf.metrics.label_maps import label_pair, recode
from sapa_hf.metrics.running_metric import RunningMetric, metric_info

_DESCRIPTION = """
Intersection over union of the inner boundary bands of predicted and true classes, per class over the whole
data set and as the mean over the classes that occur (Cheng et al., CVPR 2021).
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: list of integer maps (H, W); each may have its own size.
    references: list of integer maps (H, W) of the same sizes.
    num_labels (int): number of classes.
    nan_to_num (int, optional): replaces nan in every result, after the mean has been taken.
    ignore_index (int): label value whose pixels belong to no class; 255 unless told.
    label_map (dict, optional): old label value -> new label value, applied to the references, all at once.
    reduce_labels (bool): label 0 becomes 255 and the others move down by one (ADE20K), after label_map.
    dilation_ratio (float): width of the band as a share of the image diagonal; 0.02 unless told.
The last four decide how an image is counted: where images are added before `compute`, give them to
`evaluate.load`.
Returns:
    boundary_iou (float) and per_category_boundary_iou (array of num_labels; nan for an absent class).
"""

_CITATION = """
@inproceedings{cheng2021boundary,
title={Boundary {IoU}: Improving Object-Centric Image Segmentation Evaluation},
author={Cheng, Bowen and Girshick, Ross and Dollar, Piotr and Berg, Alexander C. and Kirillov, Alexander},
booktitle={CVPR}, year={2021}}
"""

LARGEST = 65535  # class indices are held in 16 bits
INTERSECTION, REFERENCE, PREDICTION = range(3)  # rows of the histogram


def _running_maximum(array: np.ndarray, width: int) -> np.ndarray:
    """Take the maximum over every `width` neighbours along axis 0: (N, M) -> (N - width + 1, M)."""
    done = 1
    while 2 * done <= width:  # each pass doubles the reach, so the cost grows with log(width)
        array = np.maximum(array[:-done], array[done:])
        done *= 2
    rest = width - done
    return np.maximum(array[: len(array) - rest], array[rest:]) if rest else array


def boundary_band(labels: np.ndarray, distance: int, outside: int) -> np.ndarray:
    """Mark the pixels that lie within `distance` of another class or of the edge of the image.

    A pixel is in the inner band of its own class exactly when its square of 2 * distance + 1 pixels holds a
    second value, that is when the square's maximum and minimum differ: one pass serves all classes at once.

    Args:
        labels: class indices, unsigned (H, W).
        distance: width of the band in pixels, in the maximum norm.
        outside: the value beyond the edge; pixels of this value get no meaningful mark.

    Returns:
        bool (H, W).
    """
    padded = np.pad(labels, distance, constant_values=outside)
    top = np.iinfo(labels.dtype).max
    extremes = []
    for values in (padded, top - padded):  # the minimum is the complement's maximum
        rows = _running_maximum(values, 2 * distance + 1)
        extremes.append(_running_maximum(np.ascontiguousarray(rows.T), 2 * distance + 1))
    return (extremes[0] != top - extremes[1]).T


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class BoundaryIoU(RunningMetric):
    """Boundary IoU with constant memory; see the text above for arguments and results."""

    def __init__(
        self,
        *args,
        ignore_index: int = 255,
        label_map: Mapping[int, int] | None = None,
        reduce_labels: bool = False,
        dilation_ratio: float = 0.02,
        **kwargs,
    ):
        options = {
            "ignore_index": ignore_index,
            "label_map": label_map,
            "reduce_labels": reduce_labels,
            "dilation_ratio": dilation_ratio,
        }
        super().__init__(*args, options=options, **kwargs)

    def _info(self):
        return metric_info(_DESCRIPTION, _KWARGS_DESCRIPTION, _CITATION)

    def _checked_options(self, options):
        if not 0 <= options["ignore_index"] <= LARGEST:
            raise ValueError(
                f"ignore_index must lie in 0..{LARGEST}, got {options['ignore_index']}; 255 is customary"
            )
        if not 0 < options["dilation_ratio"] < 1:
            raise ValueError(
                f"dilation_ratio must be a share of the diagonal, in (0, 1), got {options['dilation_ratio']}"
            )
        return options

    def _clear(self):
        self.histogram = np.zeros((3, 256), np.int64)  # band pixels: (agreed, reference, prediction) x class

    def _is_empty(self):
        return not self._images and not self.histogram.any()

    def _checked(self, prediction, reference):
        prediction, reference = label_pair(prediction, reference, LARGEST)
        if self.options["label_map"] or self.options["reduce_labels"]:
            reference = recode(reference, self.options["label_map"], self.options["reduce_labels"])
        return label_pair(prediction, reference, LARGEST)

    def _count(self, prediction, reference):
        if not prediction.size:
            return
        ignored_value = self.options["ignore_index"]
        values = max(int(prediction.max()), int(reference.max()), ignored_value)
        dtype = np.uint8 if values < 256 else np.uint16
        ignored = reference == ignored_value
        reference = reference.astype(dtype)
        prediction = np.where(ignored, ignored_value, prediction).astype(dtype)

        distance = max(1, round(self.options["dilation_ratio"] * float(np.hypot(*reference.shape))))
        reference_band = boundary_band(reference, distance, ignored_value) & ~ignored
        prediction_band = boundary_band(prediction, distance, ignored_value) & ~ignored
        self._grow(values + 1)
        length = self.histogram.shape[1]
        agreed = reference_band & prediction_band & (reference == prediction)
        self.histogram[INTERSECTION] += np.bincount(reference[agreed], minlength=length)
        self.histogram[REFERENCE] += np.bincount(reference[reference_band], minlength=length)
        self.histogram[PREDICTION] += np.bincount(prediction[prediction_band], minlength=length)

    def _grow(self, needed: int):
        missing = needed - self.histogram.shape[1]
        if missing > 0:
            self.histogram = np.pad(self.histogram, ((0, 0), (0, missing)))

    def merge(self, histogram: np.ndarray):
        """Add the histogram of another process, or the sum over several.

        Args:
            histogram: (3, N) band pixels per class: agreed, in the reference, in the prediction.

        Raises:
            ValueError: it has not this form.
        """
        histogram = np.asarray(histogram)
        if histogram.ndim != 2 or len(histogram) != 3 or histogram.dtype.kind not in "iu":
            raise ValueError(
                f"a histogram must hold counts (3, N), got {histogram.dtype} of {histogram.shape}"
            )
        self._grow(histogram.shape[1])
        self.histogram[:, : histogram.shape[1]] += histogram.astype(np.int64)

    def _compute(self, num_labels: int, nan_to_num: int | None = None) -> dict:
        if num_labels < 1:
            raise ValueError(f"num_labels must be at least 1, got {num_labels}")
        self._grow(num_labels)
        agreed, reference, prediction = self.histogram[:, :num_labels].astype(np.float64)
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # classes that do not occur are nan by definition
            iou = agreed / (reference + prediction - agreed)
            results = {"boundary_iou": np.nanmean(iou), "per_category_boundary_iou": iou}
        if nan_to_num is not None:
            results = {key: np.nan_to_num(value, nan=nan_to_num) for key, value in results.items()}
        return results
