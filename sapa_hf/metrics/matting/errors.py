"""The four errors of one matte, by the benchmark's MATLAB code."""

import numpy as np
from scipy import ndimage

UNKNOWN = 128  # in a trimap of 8 bits
SIGMA = 1.4  # of the gradient's Gaussian, pixels
REACH = 4  # of its window on either side
LEVELS = np.arange(11) / 10  # thresholds of the connectivity
TOLERANCE = 0.15  # a matte may be above the level that connects a pixel by less than this
THOUSAND = 1000  # the tables' unit of three of the errors


def matting_errors(prediction: np.ndarray, truth: np.ndarray, unknown: np.ndarray) -> tuple[float, ...]:
    """Compare a matte with the true one.

    Args:
        prediction: (H, W) float64, 0 to 1. Gradients and connectivity look at its known pixels too: set them
            as the trimap says.
        truth: (H, W) float64, 0 to 1.
        unknown: (H, W) bool; only these pixels are counted. At least one.

    Returns:
        SAD / 1000, MSE, gradient error / 1000 and connectivity error / 1000.
    """
    difference = np.abs(prediction - truth)[unknown]
    gradient = (gradient_magnitude(prediction) - gradient_magnitude(truth))[unknown]
    level = connecting_level(prediction, truth)
    connectivity = np.abs(_connectivity(prediction, level) - _connectivity(truth, level))[unknown]
    return (
        difference.sum() / THOUSAND,
        np.square(difference).mean(),
        np.square(gradient).sum() / THOUSAND,
        connectivity.sum() / THOUSAND,
    )


def gradient_magnitude(matte: np.ndarray) -> np.ndarray:
    """Measure how fast a matte, stretched to 0 to 1, changes: (H, W) -> (H, W).

    The filters are derivatives of a Gaussian, 9 x 9, divided by the root of the sum of their squares; beyond
    the edge the matte goes on as there.
    """
    low, high = matte.min(), matte.max()
    if low == high:
        return np.zeros_like(matte)
    stretched = (matte - low) / (high - low)
    offsets = np.arange(-REACH, REACH + 1)
    smooth = np.exp(-(offsets**2) / (2 * SIGMA**2))
    slope = -offsets * smooth
    smooth, slope = smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)
    along = [
        ndimage.convolve1d(
            ndimage.convolve1d(stretched, slope, axis, mode="nearest"), smooth, 1 - axis, mode="nearest"
        )
        for axis in (0, 1)
    ]
    return np.hypot(*along)


def connecting_level(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Find up to which level each pixel belongs to the largest region that both mattes show.

    At each level that region is the largest of four-connected pixels at which both mattes reach the level.

    Returns:
        (H, W): the last level before the pixel leaves the region; 1 for one that never does.
    """
    reached = np.minimum(prediction, truth)
    left = np.zeros(reached.shape, bool)
    levels = np.ones(reached.shape)
    for before, level in zip(LEVELS[:-1], LEVELS[1:], strict=True):
        leaving = ~left & ~_largest_region(reached >= level)
        levels[leaving] = before
        left |= leaving
    return levels


def _largest_region(mask: np.ndarray) -> np.ndarray:
    """Keep the largest four-connected region; of equal ones the first down the columns, as in MATLAB."""
    regions, count = ndimage.label(mask.T)
    if not count:
        return np.zeros_like(mask)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0  # what belongs to no region
    return (regions == sizes.argmax()).T


def _connectivity(matte: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Take from 1 what a matte is above its connecting level, where that is enough to be seen."""
    above = matte - level
    return 1 - above * (above >= TOLERANCE)
