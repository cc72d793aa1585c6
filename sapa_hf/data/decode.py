"""Photos, class masks and depth maps out of encoded files, with no conversion that changes them silently."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from .image_file import BadSampleError, open_image

MASK_MODES = ("P", "L", "I", "I;16", "I;16L", "I;16B", "1")
DEPTH_MODES = ("I;16", "I;16L", "I;16B", "I", "F")
METRES = (0.05, 100.0)  # where the median of a plausible depth map lies

ALPHA_MODES = ("L", "P", "1", "I;16", "I;16L", "I;16B", "RGB")
UNKNOWN = 128  # in a trimap

__all__ = [
    "BadSampleError",
    "decode_alpha",
    "decode_depth",
    "decode_image",
    "decode_mask",
    "decode_trimap",
]


def decode_image(value: Any, name: str = "image", page: int = 0) -> np.ndarray:
    """Decode a photo to RGB, (H, W, 3) uint8.

    EXIF orientation is applied. Transparency is laid over white. Grey is repeated; 16-bit values keep their
    upper 8 bits.

    Args:
        value: See `open_image`.
        name: The row or the file, for messages.
        page: Of a file with several, such as a TIFF or an animated GIF; counted from 0.

    Raises:
        BadSampleError: The file is damaged, too large, or not an image.
        ValueError: The photo's values have no defined range of brightness.
    """
    image = open_image(value, name, page)
    if image.mode in ("I", "F"):
        image = _wide_grey(image, name)
    elif image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))  # (H, W, 3)


def decode_mask(value: Any, name: str = "mask") -> np.ndarray:
    """Decode a class mask to its stored numbers, (H, W) uint8, or int64 where 8 bits do not hold them.

    A palette mask gives its indices, never its colours. The file's own EXIF orientation is applied.
    """
    mask = open_image(value, name)
    if mask.mode not in MASK_MODES:
        fix = "keep its first band" if mask.mode == "LA" else "map its colours to class numbers"
        raise ValueError(
            f"{name}: the mask has mode {mask.mode}, but a mask must hold one class number for each pixel "
            f"(modes {', '.join(MASK_MODES)}): {fix} and save it as an 8-bit grey PNG"
        )
    labels = np.array(mask)  # (H, W); P gives indices, 1 gives False and True
    return labels.astype(np.uint8 if labels.dtype in (np.uint8, np.bool_) else np.int64)


def decode_alpha(value: Any, name: str = "alpha") -> np.ndarray:
    """Decode a matte to 8 bits, (H, W) uint8: 0 background, 255 foreground.

    Raises:
        ValueError: The file has colours or a transparency of its own: which of them is the matte?
    """
    matte = open_image(value, name)
    if matte.mode not in ALPHA_MODES or "transparency" in matte.info:
        raise ValueError(
            f"{name}: a matte must be a grey picture, got mode {matte.mode}: save the band that holds it as "
            "an 8-bit grey PNG"
        )
    grey = decode_image(matte, name)  # (H, W, 3)
    if (grey != grey[..., :1]).any():
        raise ValueError(f"{name}: a matte must be a grey picture, got one with colours")
    return grey[..., 0]


def decode_trimap(value: Any, name: str = "trimap") -> np.ndarray:
    """Decode a trimap to 0 (background), 128 (unknown) and 255 (foreground), (H, W) uint8.

    All that is neither 0 nor 255 is unknown, as the smoothed values of a JPEG are.
    """
    grey = decode_alpha(value, name)
    return np.where((grey == 0) | (grey == 255), grey, UNKNOWN).astype(np.uint8)


def decode_depth(value: Any, scale: float, name: str = "depth") -> np.ndarray:
    """Decode a depth map to metres, (H, W) float32; 0 and values that are not finite mean "not measured".

    Args:
        value: As for `open_image`; modes I;16, I or F, read as they are.
        scale: Metres per stored unit: 0.001 for millimetres, 1.0 for metres.
        name: The row, for messages.

    Raises:
        ValueError: The file is not a depth map, or its median is not a plausible depth: the scale is wrong.
    """
    image = open_image(value, name)
    if image.mode not in DEPTH_MODES:
        raise ValueError(
            f"{name}: a depth map must hold one number for each pixel, got mode {image.mode} "
            f"(allowed are {', '.join(DEPTH_MODES)}): save it as a 16-bit PNG or a float TIFF"
        )
    depth = np.asarray(image).astype(np.float32) * np.float32(scale)  # (H, W)
    measured = depth[np.isfinite(depth) & (depth > 0)]
    if measured.size:
        median = float(np.median(measured))
        if not METRES[0] <= median <= METRES[1]:
            raise ValueError(
                f"{name}: the median is {median:.4g} m with depth_scale={scale} metres per stored unit,"
                f" outside {METRES[0]}..{METRES[1]} m: give this data set's scale (0.001 for millimetres)"
            )
    return depth


def _wide_grey(image: Image.Image, name: str) -> Image.Image:
    """Bring a 32-bit grey photo with 16-bit values down to 8 bits; refuse other ranges, which say nothing."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"{name}: a photo of mode {image.mode} with values {values.min()}..{values.max()} has no defined "
            "brightness range: save it with 8 or 16 bits for each channel"
        )
    return Image.fromarray((values >> 8).astype(np.uint8))
