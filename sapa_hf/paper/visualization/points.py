"""Points of a photo at which kernels are worth a look."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

Point = tuple[int, int]  # x, y in pixels of the photo
MARGIN = 1 / 8  # of the sides: nearer to the border windows reach out of the photo
APART = 1 / 4  # of the diagonal, between two points
FINE, COARSE = 1 / 100, 1 / 25  # of the shorter side: texture that is no edge; what counts as a region
SENSITIVITY = 16  # a slope of 16 grey levels a pixel is as uneven as can be
MOST = 26  # points are lettered


def default_points(photo: np.ndarray) -> tuple[Point, ...]:
    """Choose two points on strong edges and one inside an even region, far from each other.

    The photo alone decides, so that all models are seen at the same points.

    Args:
        photo: (H, W, 3) uint8.

    Returns:
        Three points (x, y), or fewer where the photo has no room.
    """
    grey = Image.fromarray(photo).convert("L")
    strength = _steepness(grey, FINE * min(grey.size))  # (H, W)
    texture = Image.fromarray(np.clip(SENSITIVITY * _steepness(grey, 0), 0, 255).astype(np.uint8))
    unevenness = np.asarray(texture.filter(_blur(COARSE * min(grey.size))), np.float32)  # (H, W)
    rows, columns = np.indices(strength.shape)
    height, width = strength.shape
    free = (np.minimum(rows, height - 1 - rows) >= int(MARGIN * height)) & (
        np.minimum(columns, width - 1 - columns) >= int(MARGIN * width)
    )
    points = []
    for worth in (strength, strength, -unevenness):
        if not free.any():
            break
        row, column = np.unravel_index(np.where(free, worth, -np.inf).argmax(), worth.shape)
        points.append((int(column), int(row)))
        free &= np.hypot(rows - row, columns - column) >= APART * np.hypot(height, width)
    return tuple(points)


def check_points(points: Sequence[Point], photo: np.ndarray, name: str) -> tuple[Point, ...]:
    """Refuse points that do not lie on the photo.

    Args:
        points: (x, y) in pixels each.
        photo: (H, W, 3).
        name: what an error calls the photo.

    Raises:
        TypeError: a coordinate is not an integer.
        ValueError: a point is not a pair or lies outside, or there are none or too many.
    """
    height, width = photo.shape[:2]
    if not 1 <= len(points) <= MOST:
        raise ValueError(f"1 to {MOST} points can be shown, got {len(points)}")
    for point in points:
        if len(point) != 2:
            raise ValueError(f"a point is a pair x, y, got {point}")
        if not all(isinstance(coordinate, (int, np.integer)) for coordinate in point):
            raise TypeError(f"a point's x and y are whole pixels, got {point}")
        if not (0 <= point[0] < width and 0 <= point[1] < height):
            raise ValueError(
                f"the point {point[0]},{point[1]} lies outside {name}: x must be 0 to {width - 1}, y 0 to "
                f"{height - 1}"
            )
    return tuple((int(x), int(y)) for x, y in points)


def _steepness(grey: Image.Image, radius: float) -> np.ndarray:
    """Measure how fast the brightness changes around each pixel, (H, W) float32, after a blur."""
    blurred = np.asarray(grey.filter(_blur(radius)), np.float32)
    slopes = np.gradient(np.pad(blurred, 1, mode="edge"))  # padded: a photo may be a single pixel high
    return np.hypot(*slopes)[1:-1, 1:-1].astype(np.float32)


def _blur(radius: float) -> ImageFilter.GaussianBlur:
    return ImageFilter.GaussianBlur(radius)
