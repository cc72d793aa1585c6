"""The kernel of one output pixel, and the window of the photo that it weighs."""

from dataclasses import dataclass

import numpy as np

from ...modeling.window import window_starts
from .points import Point
from .step import UpsamplingStep

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the photo


@dataclass(frozen=True)
class KernelMap:
    """One output pixel's kernel.

    Attributes:
        weights: (K, K), rows from top to bottom.
        window: Where those K x K feature positions lie on the photo; it may reach beyond.
        pixel: Where the output pixel lies on the photo.
    """

    weights: np.ndarray
    window: Box
    pixel: Box


def kernel_at(step: UpsamplingStep, point: Point, photo_size: tuple[int, int]) -> KernelMap | None:
    """Give the kernel of the output pixel that covers a point of the photo.

    Args:
        step: What the upsampler did.
        point: x, y in pixels of the photo; maps cover the whole photo, whatever their size.
        photo_size: Height and width.

    Returns:
        None where the operator has no kernels.
    """
    if step.kernels is None:
        return None
    sizes = zip(point[::-1], photo_size, step.output.shape[1:], step.feature.shape[1:], strict=True)
    size = step.kernels.shape[-1]
    indices, pixel, window = [], [], []
    for place, extent, high, low in sizes:  # rows, then columns
        index = (2 * place + 1) * high // (2 * extent)  # of the output pixel under the point's middle
        start = int(window_starts(high, low, size, step.border)[index])
        indices.append(index)
        pixel.append((index * extent / high, (index + 1) * extent / high))
        window.append((start * extent / low, (start + size) * extent / low))
    return KernelMap(step.kernels[tuple(indices)].numpy(), _box(*window), _box(*pixel))


def _box(rows: tuple[float, float], columns: tuple[float, float]) -> Box:
    return columns[0], rows[0], columns[1], rows[1]
