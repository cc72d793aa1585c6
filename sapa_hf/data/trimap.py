"""Trimaps made from mattes, as training makes them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .decode import UNKNOWN


def make_trimap(alpha: np.ndarray, foreground_width: int, background_width: int) -> np.ndarray:
    """Make a matte's trimap: what is certain shrinks, all between is unknown.

    Args:
        alpha: (H, W) uint8.
        foreground_width: Diameter in pixels of the disc that the foreground is eroded by; 1 leaves it.
        background_width: The same for the background.

    Returns:
        (H, W) uint8: 0, 128 and 255. Pixels whose matte is neither 0 nor 255 are always unknown.
    """
    trimap = np.full(alpha.shape, UNKNOWN, np.uint8)
    trimap[_eroded(alpha == 255, foreground_width)] = 255
    trimap[_eroded(alpha == 0, background_width)] = 0
    return trimap


def _eroded(mask: np.ndarray, width: int) -> np.ndarray:
    """Keep what is further than half the width from all that is not marked; beyond the edge lies nothing."""
    if mask.all():
        return mask
    return ndimage.distance_transform_edt(mask) > width / 2
