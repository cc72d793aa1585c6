"""The least that a depth model must beat: one depth map for every photo."""

from collections.abc import Mapping

import numpy as np

from ..scoring import score_samples
from ..shares import IndexedSamples, image_shares
from .scores import DepthScores


def evaluate_constant_depth(
    samples: IndexedSamples, depth: np.ndarray, *, metric: Mapping | None = None
) -> dict:
    """Score the prediction of one depth map (H, W) for every image."""
    return score_samples(samples, lambda sample: depth, DepthScores(metric))


def mean_depth(samples: IndexedSamples) -> np.ndarray:
    """Average the depth of all images, which have one size, pixel by pixel: the geometric mean (H, W).

    For `evaluate_constant_depth`; best taken from the training split.

    Raises:
        ValueError: the images differ in size.
    """
    logs: np.ndarray = np.zeros(())
    count: np.ndarray = np.zeros(())
    for index in image_shares(samples, 0, 1, None, progress=False):
        depth = samples[index]["labels"]
        if logs.shape not in ((), depth.shape):
            raise ValueError(f"images of {logs.shape} and {depth.shape} have no mean pixel by pixel")
        valid = np.isfinite(depth) & (depth > 0)
        logs = logs + np.log(np.where(valid, depth, 1), dtype=np.float64)
        count = count + valid
    return np.exp(logs / np.maximum(count, 1))
