"""The matting benchmark's four errors, from five running sums.

Definitions: Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, CVPR 2009, by the
MATLAB code that Composition-1k is evaluated with (Xu et al., Deep Image Matting, CVPR 2017).
"""

import evaluate
import numpy as np

from sapa_hf.metrics.matting.errors import UNKNOWN, matting_errors
from sapa_hf.metrics.running_metric import SummedMetric, metric_info

_DESCRIPTION = """
Errors of alpha mattes in the unknown region of their trimaps, averaged over images, as the benchmark
Composition-1k computes them.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: list of mattes (H, W), 0 to 1 or 8 bits (0 to 255); each may have its own size.
    references: list of true mattes (H, W) of the same sizes, in either form.
    trimaps: list of trimaps (H, W) of 8 bits: 0 background, 128 unknown, 255 foreground. An image without
        unknown pixels counts for nothing.
Returns:
    sad (sum of absolute differences, in thousands), mse (mean squared difference), grad (squared differences
    of the gradients, in thousands), conn (differences in connectivity, in thousands): floats; lower is
    better. The benchmark's tables are of predictions of 8 bits that were cut off, not rounded.
"""

_CITATION = """
@inproceedings{rhemann2009perceptually,
title={A Perceptually Motivated Online Benchmark for Image Matting},
author={Rhemann, Christoph and Rother, Carsten and Wang, Jue and Gelautz, Margrit and Kohli, Pushmeet and
Rott, Pamela}, booktitle={CVPR}, year={2009}}
"""

KEYS = ("sad", "mse", "grad", "conn")
TRIMAP_VALUES = (0, UNKNOWN, 255)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Matting(SummedMetric):
    """Errors of mattes with constant memory."""

    inputs = ("predictions", "references", "trimaps")
    shape = (len(KEYS) + 1,)  # the four errors, and the images with unknown pixels

    def _info(self):
        return metric_info(_DESCRIPTION, _KWARGS_DESCRIPTION, _CITATION, self.inputs)

    def _checked(self, prediction, reference, trimap):
        """Return mattes in 0 to 1 as float64, and where the trimap is unknown."""
        trimap = np.asarray(trimap)
        prediction, reference = _matte(prediction, "prediction"), _matte(reference, "reference")
        if not prediction.shape == reference.shape == trimap.shape or trimap.ndim != 2:
            raise ValueError(
                "a prediction, its reference and its trimap must be maps (H, W) of one size, got "
                f"{prediction.shape}, {reference.shape} and {trimap.shape}: resize the prediction to its "
                "reference's size"
            )
        if not np.isin(trimap, TRIMAP_VALUES).all():
            raise ValueError(
                f"a trimap must hold 0 (background), {UNKNOWN} (unknown) and 255 (foreground) alone, got "
                f"{', '.join(str(value) for value in np.unique(trimap)[:6])}"
            )
        return prediction, reference, trimap == UNKNOWN

    def _count(self, prediction, reference, unknown):
        if unknown.any():
            self.sums += (*matting_errors(prediction, reference, unknown), 1)

    def _compute(self) -> dict:
        *totals, count = self.sums
        if not count:
            raise ValueError(f"no trimap has an unknown pixel: those must be {UNKNOWN}")
        return {key: float(total / count) for key, total in zip(KEYS, totals, strict=True)}


def _matte(matte, name: str) -> np.ndarray:
    """Bring a matte of 8 bits, or of numbers from 0 to 1, to float64."""
    matte = np.asarray(matte)
    if matte.dtype == np.uint8:
        return matte / 255
    if not np.issubdtype(matte.dtype, np.floating):
        raise TypeError(f"a {name} must be of 8 bits or of numbers from 0 to 1, got {matte.dtype}")
    if not (np.isfinite(matte).all() and (matte >= 0).all() and (matte <= 1).all()):
        raise ValueError(
            f"a {name} must lie in 0 to 1, got values from {matte.min()} to {matte.max()}: clip it, or give "
            "8 bits as uint8"
        )
    return matte.astype(np.float64)
