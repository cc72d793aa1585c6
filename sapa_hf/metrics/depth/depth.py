"""The benchmark's errors of estimated depth, from ten running sums.

Definitions: Eigen et al., Depth Map Prediction from a Single Image using a Multi-Scale Deep Network, NeurIPS
2014, and the evaluation of BTS (Lee et al., 2019), whose silog is in hundredths. With truth t and prediction
p in metres, e = p - t and g = log p - log t, every error is a mean over pixels or a root of one: a data set
of any size needs their sums only, and those of several processes merge by a sum.
"""

import evaluate
import numpy as np

from sapa_hf.metrics.running_metric import SummedMetric, metric_info

_DESCRIPTION = """
Errors and accuracies of estimated depth in metres, averaged per image and then over the images, as the NYU
Depth V2 and KITTI benchmarks do, or over all pixels.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: list of maps (H, W) in metres; each may have its own size. They are clamped to the range.
    references: list of maps (H, W) in metres of the same sizes; pixels that are not finite or not strictly
        inside the range are left out.
    average (str): "images" (the benchmark's: an image's mean counts once, however many pixels it has) or
        "pixels"; "images" unless told.
    min_depth (float), max_depth (float): the range in metres; 1e-3 and 10 unless told.
    crop (str, optional): "eigen" (NYU Depth V2, rows 45 to 471 and columns 41 to 601 of 480 x 640) or "garg"
        (KITTI: the shares 0.40810811 to 0.99189189 of the rows and 0.03594771 to 0.96405229 of the columns),
        scaled to each image and rounded down at both ends; none unless told.
The last three decide how an image is counted: where images are added before `compute`, give them to
`evaluate.load`.
Returns:
    abs_rel, sq_rel, rmse, rmse_log, log10, silog (lower is better; silog in hundredths), delta1, delta2 and
    delta3 (shares of pixels within a factor of 1.25, its square and its cube; higher is better): floats.
"""

_CITATION = """
@inproceedings{eigen2014depth,
title={Depth Map Prediction from a Single Image using a Multi-Scale Deep Network},
author={Eigen, David and Puhrsch, Christian and Fergus, Rob}, booktitle={NeurIPS}, year={2014}}
"""

KEYS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")
# (start, stop, whole) of rows and of columns; Garg's are the decimals of Monodepth, BTS and GLPDepth
CROPS = {
    "eigen": ((45, 471, 480), (41, 601, 640)),
    "garg": ((40810811, 99189189, 10**8), (3594771, 96405229, 10**8)),
}
IMAGES, PIXELS = range(2)  # rows of the sums


def crop_window(name: str, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Scale a benchmark's crop to an image: both ends are rounded down, as BTS, GLPDepth and Monodepth do.

    Args:
        name: "eigen" or "garg".
        shape: (H, W) of the image.
    """
    rows, columns = (
        slice(start * size // whole, stop * size // whole)
        for size, (start, stop, whole) in zip(shape, CROPS[name], strict=True)
    )
    return rows, columns


def pixel_means(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Average what all errors are made of: (N,) and (N,) in metres -> (9,).

    The nine are |e| / t, e^2 / t, e^2, g^2, |g| / log 10, g, and the three shares.
    """
    error, logs = prediction - truth, np.log(prediction) - np.log(truth)
    factor = np.maximum(prediction / truth, truth / prediction)
    return np.array(
        [
            np.mean(np.abs(error) / truth),
            np.mean(error**2 / truth),
            np.mean(error**2),
            np.mean(logs**2),
            np.mean(np.abs(logs)) / np.log(10),
            np.mean(logs),
            *(np.mean(factor < 1.25**power) for power in (1, 2, 3)),
        ]
    )


def errors(means: np.ndarray) -> np.ndarray:
    """Turn `pixel_means` (9,) into the errors (9,), in the order of KEYS."""
    abs_rel, sq_rel, square, log_square, log10, log_mean, *deltas = means
    silog = 100 * np.sqrt(max(log_square - log_mean**2, 0.0))  # rounding can fall below 0
    return np.array([abs_rel, sq_rel, np.sqrt(square), np.sqrt(log_square), log10, silog, *deltas])


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Depth(SummedMetric):
    """Depth errors with constant memory; an image without a pixel to measure counts for nothing."""

    # Row IMAGES: the nine errors summed over images, and the images; row PIXELS: the nine means summed over
    # pixels, and the pixels.
    shape = (2, len(KEYS) + 1)

    def __init__(
        self, *args, min_depth: float = 1e-3, max_depth: float = 10.0, crop: str | None = None, **kwargs
    ):
        options = {"min_depth": min_depth, "max_depth": max_depth, "crop": crop}
        super().__init__(*args, options=options, **kwargs)

    def _info(self):
        return metric_info(_DESCRIPTION, _KWARGS_DESCRIPTION, _CITATION)

    def _checked_options(self, options):
        if not 0 < options["min_depth"] < options["max_depth"] < float("inf"):
            raise ValueError(
                "0 < min_depth < max_depth is needed, in metres; got "
                f"{options['min_depth']} and {options['max_depth']}"
            )
        if options["crop"] is not None and options["crop"] not in CROPS:
            raise ValueError(f"crop must be None or one of {', '.join(CROPS)}, got {options['crop']!r}")
        return options

    def _checked(self, prediction, reference):
        """Return the pixels that count, (N,) float64 each, the predictions clamped."""
        prediction, reference = np.asarray(prediction), np.asarray(reference)
        if prediction.shape != reference.shape or reference.ndim != 2:
            raise ValueError(
                f"a prediction is {prediction.shape} and its reference {reference.shape}; both must be maps "
                "(H, W): resize the prediction to the size of the reference"
            )
        near, far, crop = self.options["min_depth"], self.options["max_depth"], self.options["crop"]
        if crop is not None:
            window = crop_window(crop, reference.shape)
            prediction, reference = prediction[window], reference[window]
        prediction, reference = prediction.astype(np.float64), reference.astype(np.float64)
        if np.isnan(prediction).any():
            raise ValueError("a prediction holds nan; the model's weights or its precision are at fault")
        valid = (reference > near) & (reference < far)  # false for nan and infinity
        return np.clip(prediction[valid], near, far), reference[valid]

    def _count(self, prediction, reference):
        if reference.size:
            means = pixel_means(prediction, reference)
            self.sums[IMAGES] += (*errors(means), 1)
            self.sums[PIXELS] += (*means * reference.size, reference.size)

    def _compute(self, average: str = "images") -> dict:
        if average not in ("images", "pixels"):
            raise ValueError(f'average must be "images" or "pixels", got {average!r}')
        *totals, count = self.sums[IMAGES if average == "images" else PIXELS]
        if not count:
            near, far, crop = self.options["min_depth"], self.options["max_depth"], self.options["crop"]
            raise ValueError(
                f"no reference has a pixel strictly inside {near}..{far} m"
                f"{f' within the {crop} crop' if crop else ''}; are references in metres?"
            )
        means = np.array(totals) / count
        values = means if average == "images" else errors(means)
        return {key: float(value) for key, value in zip(KEYS, values, strict=True)}
