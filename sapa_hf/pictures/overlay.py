"""Class maps in colour, alone or laid over their photo."""

import numpy as np
from PIL import Image

from .palette import palette

IGNORED = (40, 40, 40)
BAND = 64  # rows drawn at a time


def colourize(labels: np.ndarray, colours: np.ndarray | None = None) -> np.ndarray:
    """Paint a class map.

    Args:
        labels: class indices (H, W); values that have no colour, such as an ignored label, become dark grey.
        colours: RGB uint8 (N, 3); the palette of all classes in the map unless given.

    Returns:
        RGB uint8 (H, W, 3).
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be an integer map (H, W), got {labels.dtype} of shape {labels.shape}")
    if colours is None:
        colours = palette(255)  # 255 is the customary ignored label
    table = np.concatenate([colours, [IGNORED]]).astype(np.uint8)
    known = (labels >= 0) & (labels < len(colours))
    return table[np.where(known, labels, len(colours))]


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    colours: np.ndarray | None = None,
    opacity: float = 0.55,
    outlines: bool = True,
) -> Image.Image:
    """Lay a class map over its photo.

    Args:
        image: RGB photo, uint8 (H, W, 3).
        labels: class indices (H, W); pixels without a class show the photo, darkened.
        colours: RGB uint8 (N, 3); the first colours of the palette unless given.
        opacity: share of the class colour, 0 to 1.
        outlines: whether to draw the borders between classes, light and one pixel wide.

    Raises:
        ValueError: photo and map differ in size, or opacity is out of range.
    """
    image, labels = np.asarray(image), np.asarray(labels)
    if image.shape != (*labels.shape, 3):
        raise ValueError(f"photo (H, W, 3) and map (H, W) must agree, got {image.shape} and {labels.shape}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie in 0..1, got {opacity}")
    border = _borders(labels) if outlines else np.zeros(labels.shape, bool)
    drawn = np.empty(image.shape, np.uint8)
    for top in range(0, len(labels), BAND):  # a large photo in floating point would take gigabytes
        rows = slice(top, top + BAND)
        blended = image[rows] * (1 - opacity) + colourize(labels[rows], colours) * opacity
        blended[border[rows]] = blended[border[rows]] * 0.35 + 255 * 0.65
        drawn[rows] = blended.round()
    return Image.fromarray(drawn)


def _borders(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels whose right or lower neighbour has another class: bool (H, W)."""
    border = np.zeros(labels.shape, bool)
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    border[:-1] |= labels[:-1] != labels[1:]
    return border
