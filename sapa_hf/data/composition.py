"""Compositions: a foreground laid over a background by its matte."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from .decode import BadSampleError, decode_alpha, decode_image
from .spec import DatasetSpec


def compose(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Lay a foreground (H, W, 3) over a background by its matte (H, W): all uint8."""
    share = alpha[..., None].astype(np.float32) / 255
    return np.rint(share * foreground + (1 - share) * background).astype(np.uint8)


def cover(background: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut a background to (height, width) from its upper left, enlarged where it is smaller.

    As the Adobe set's own program composes: bicubic, and by one factor for both sides.
    """
    factor = max(want / have for want, have in zip(size, background.shape, strict=False))
    if factor > 1:
        height, width = (math.ceil(side * factor) for side in background.shape[:2])
        enlarged = Image.fromarray(background).resize((width, height), Image.Resampling.BICUBIC)
        background = np.asarray(enlarged)
    return background[: size[0], : size[1]]


def read_parts(row: dict[str, Any], spec: DatasetSpec, name: str) -> np.ndarray:
    """Decode the matte, foreground and background of a row's composition.

    Args:
        row: Of a data set whose spec names the three columns.
        spec: Its description.
        name: How errors call the row.

    Returns:
        The three as one map (H, W, 7) uint8.

    Raises:
        BadSampleError: A file is damaged, or foreground and matte differ in size.
    """
    columns = spec.foreground_column, spec.background_column
    foreground, background = (decode_image(row[column], f"{name}, {column}") for column in columns)
    alpha = decode_alpha(row[spec.alpha_column], f"{name}, {spec.alpha_column}")
    if alpha.shape != foreground.shape[:2]:
        raise BadSampleError(
            f"{name}: the matte must have the foreground's size, "
            f"{foreground.shape[1]}x{foreground.shape[0]}, got {alpha.shape[1]}x{alpha.shape[0]} "
            "(width x height)"
        )
    return np.dstack([alpha, foreground, cover(background, alpha.shape)])
