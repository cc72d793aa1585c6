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

import datasets
import evaluate
import numpy as np

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
Options of the constructor:
    ignore_index (int): label value whose pixels belong to no class; 255 unless told.
    reduce_labels (bool): label 0 becomes 255 and the others move down by one (ADE20K); False unless told.
    dilation_ratio (float): width of the band as a share of the image diagonal; 0.02 unless told.
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
class BoundaryIoU(evaluate.Metric):
    """Boundary IoU with constant memory; see the text above for arguments and results."""

    def __init__(
        self,
        *args,
        ignore_index: int = 255,
        reduce_labels: bool = False,
        dilation_ratio: float = 0.02,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        if self.num_process > 1:
            raise ValueError(
                f"num_process={self.num_process} is not supported: give each process its own metric, sum "
                "their `histogram` and pass the sum to `merge`"
            )
        if not 0 <= ignore_index <= LARGEST:
            raise ValueError(f"ignore_index must lie in 0..{LARGEST}, got {ignore_index}; 255 is customary")
        if not 0 < dilation_ratio < 1:
            raise ValueError(f"dilation_ratio is a share of the diagonal in (0, 1), got {dilation_ratio}")
        self.ignore_index = ignore_index
        self.reduce_labels = reduce_labels
        self.dilation_ratio = dilation_ratio
        self._clear()

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Image(), "references": datasets.Image()}),
        )

    def _clear(self):
        self.histogram = np.zeros((3, 256), np.int64)  # band pixels: (agreed, reference, prediction) x class
        self._images = 0

    def __len__(self):
        return self._images

    def add_batch(self, *, predictions=None, references=None, **kwargs):
        """Count the boundary pixels of some images.

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
        """Count the boundary pixels of one image."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def _count(self, prediction: np.ndarray, reference: np.ndarray):
        self._images += 1
        if not prediction.size:
            return
        if self.reduce_labels:
            moved = np.where(reference == 0, 255, reference) - 1
            reference = np.where(moved == 254, 255, moved)
        values = max(int(prediction.max()), int(reference.max()), self.ignore_index)
        dtype = np.uint8 if values < 256 else np.uint16
        ignored = reference == self.ignore_index
        reference = reference.astype(dtype)
        prediction = np.where(ignored, self.ignore_index, prediction).astype(dtype)

        distance = max(1, round(self.dilation_ratio * float(np.hypot(*reference.shape))))
        reference_band = boundary_band(reference, distance, self.ignore_index) & ~ignored
        prediction_band = boundary_band(prediction, distance, self.ignore_index) & ~ignored
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
            raise ValueError(f"a histogram holds counts (3, N), got {histogram.dtype} of {histogram.shape}")
        self._grow(histogram.shape[1])
        self.histogram[:, : histogram.shape[1]] += histogram.astype(np.int64)

    def compute(self, *, predictions=None, references=None, **kwargs):
        """Compute the results over all that was added, then start anew."""
        if predictions is not None or references is not None:
            self.add_batch(predictions=predictions, references=references)
        if not self._images and not self.histogram.any():
            raise ValueError("nothing was added: call add_batch, or pass predictions and references")
        results = self._compute(**kwargs)
        self._clear()
        return results

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


def _as_map(array, name: str) -> np.ndarray:
    """Return one label map as an integer array (H, W) of values that 16 bits hold."""
    array = np.asarray(array)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must hold integers, got {array.dtype}; cast class indices to an integer type"
        )
    if array.ndim != 2:
        raise ValueError(f"each of the {name} must be a map (H, W), got shape {array.shape}")
    if array.dtype != np.uint8 and array.size and not 0 <= array.min() <= array.max() <= LARGEST:
        raise ValueError(
            f"{name} must lie in 0..{LARGEST}, got {array.min()}..{array.max()}; map other values, such as a "
            "negative ignored label, to an unused one first (255 is customary)"
        )
    return array
