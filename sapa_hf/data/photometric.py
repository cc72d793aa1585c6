"""Photometric distortion: brightness, contrast, saturation and hue, each with probability one half."""

from __future__ import annotations

import numpy as np
from PIL import Image

LEVELS = np.arange(256, dtype=np.float64)
BRIGHTNESS = 32  # added, in levels of 256
CONTRAST = SATURATION = (0.5, 1.5)  # factors
HUE = 18 / 180  # share of the colour circle


def distort(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change an RGB image's colours at random, in the order of SSD (Liu et al., ECCV 2016).

    Brightness comes first, then contrast either before or after saturation and hue, with SSD's ranges. There
    are two differences from mmsegmentation's form of it, which SegFormer was trained with. It clips each step
    and truncates it to 8 bits; here each step is a table of 256 levels, rounded to the nearest. It turns the
    hue in OpenCV's HSV of 180 levels; here Pillow's HSV has 256.
    """
    brightness = rng.uniform(-BRIGHTNESS, BRIGHTNESS) if rng.random() < 0.5 else 0.0
    contrast_first = rng.random() < 0.5
    contrast = rng.uniform(*CONTRAST) if rng.random() < 0.5 else 1.0
    saturation = rng.uniform(*SATURATION) if rng.random() < 0.5 else 1.0
    hue = rng.uniform(-HUE, HUE) if rng.random() < 0.5 else 0.0

    first, last = _levels(LEVELS + brightness), _levels(LEVELS)
    if contrast_first:
        first = _levels(first * contrast)
    else:
        last = _levels(LEVELS * contrast)
    image = _apply(image, first, first, first)
    if saturation != 1.0 or hue != 0.0:
        turned = ((LEVELS + round(hue * 256)) % 256).astype(np.uint8)
        image = _apply(image.convert("HSV"), turned, _levels(LEVELS * saturation), _levels(LEVELS)).convert(
            "RGB"
        )
    return _apply(image, last, last, last)


def _levels(values: np.ndarray) -> np.ndarray:
    """Round and clip to 8 bits."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _apply(image: Image.Image, *tables: np.ndarray) -> Image.Image:
    """Map each band through its table, (256,) uint8."""
    if all(np.array_equal(table, LEVELS) for table in tables):
        return image
    return image.point(np.concatenate(tables).tolist())
