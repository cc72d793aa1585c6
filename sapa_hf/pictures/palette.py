"""A fixed palette of colours that are as far apart as they can be, for any number of classes."""

from functools import cache

import numpy as np

DISTINCT = 1024  # beyond this many classes the colours repeat
TAKEN = ((0, 0, 0), (255, 255, 255), (128, 128, 128))  # ignored pixels, paper and grey photos: kept clear of
LIGHTNESS, CHROMA = (42.0, 88.0), (24.0, 72.0)  # of CIELAB: beyond, colours read as grey, or glare
FIRST = (70, 130, 205)


def palette(count: int) -> np.ndarray:
    """Return the colours of the first `count` classes, always the same ones.

    Each colour is the candidate farthest from all before it, so a class keeps its colour whatever the
    number of classes, and the colours of small data sets are the most distinct.

    Args:
        count: number of classes.

    Returns:
        RGB uint8 (count, 3); after 1024 classes the colours repeat.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    colours = _farthest_first(min(DISTINCT, max(32, 1 << (count - 1).bit_length())))
    return colours[np.arange(count) % DISTINCT]


@cache
def _farthest_first(count: int) -> np.ndarray:
    """Choose colours one by one, each as far as possible from the nearest one chosen before."""
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)  # (N, 3)
    lab = to_lab(candidates)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] >= LIGHTNESS[0]) & (lab[:, 0] <= LIGHTNESS[1])
    usable &= (chroma >= CHROMA[0]) & (chroma <= CHROMA[1])
    candidates, lab = candidates[usable], lab[usable]
    nearest = np.full(len(lab), np.inf)  # squared distance of each candidate to the nearest chosen colour
    for colour in to_lab(np.array(TAKEN, np.uint8)):
        nearest = np.minimum(nearest, ((lab - colour) ** 2).sum(1))
    chosen = [int(((lab - to_lab(np.array(FIRST, np.uint8))) ** 2).sum(1).argmin())]
    nearest = np.minimum(nearest, ((lab - lab[chosen[0]]) ** 2).sum(1))
    while len(chosen) < count:
        index = int(nearest.argmax())
        chosen.append(index)
        nearest = np.minimum(nearest, ((lab - lab[index]) ** 2).sum(1))
    colours = candidates[chosen]
    colours.setflags(write=False)  # it is cached
    return colours


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB uint8 (..., 3) to CIELAB under D65, where distances follow what the eye sees."""
    linear = rgb / 255.0
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ to_xyz.T / (0.95047, 1.0, 1.08883)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
