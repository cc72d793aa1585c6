"""Depth in colour, near bright and far dark, with a scale in metres."""

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .legend import INK, PAPER, text_size
from .overlay import BAND

UNKNOWN = (128, 128, 128)  # no measurement: a grey that the colours do not hold
COLOURS = (matplotlib.colormaps["magma_r"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)  # (256, 3)
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)  # metres between two marks of the scale


def depth_range(*depths: np.ndarray) -> tuple[float, float]:
    """Choose the nearest and farthest depth to show for some maps: their 1st and 99th hundredth.

    Args:
        depths: (H, W) in metres each; 0 and values that are not finite are no measurement.
    """
    measured = np.concatenate([depth[np.isfinite(depth) & (depth > 0)].ravel() for depth in depths])
    if not measured.size:
        return 0.0, 1.0
    near, far = np.percentile(measured, (1, 99))
    return float(near), float(max(far, near + 0.1))


def colourize_depth(depth: np.ndarray, near: float, far: float) -> np.ndarray:
    """Paint a depth map, RGB uint8 (H, W, 3).

    Args:
        depth: (H, W) in metres; pixels without a measurement become grey.
        near: metres of the brightest colour.
        far: metres of the darkest.

    Raises:
        ValueError: the map is not (H, W), or far is not beyond near.
    """
    depth = np.asarray(depth, np.float32)
    if depth.ndim != 2 or not near < far:
        raise ValueError(f"depth must be a map (H, W) with near < far, got {depth.shape}, {near} and {far}")
    colours = np.empty((*depth.shape, 3), np.uint8)
    for top in range(0, len(depth), BAND):  # a large map's steps would take gigabytes
        part = depth[top : top + BAND]
        known = np.isfinite(part) & (part > 0)
        share = np.clip((np.where(known, part, near) - near) / (far - near), 0, 1)
        drawn = COLOURS[(share * 255).round().astype(np.uint8)]
        colours[top : top + BAND] = np.where(known[..., None], drawn, np.uint8(UNKNOWN))
    return colours


def with_depth_scale(picture: Image.Image, near: float, far: float) -> Image.Image:
    """Draw the colours with their metres at the right of a picture."""
    size = text_size(picture.height)
    font = ImageFont.load_default(size)
    bar, margin = round(size * 1.1), round(size * 0.9)
    length = max(1, picture.height - 2 * margin)
    step = next((s for s in STEPS if (far - near) / s <= max(2, length / (size * 1.8))), STEPS[-1])
    marks = np.arange(np.ceil(near / step), np.floor(far / step) + 1) * step
    texts = [f"{mark:.1f} m" if step < 1 else f"{mark:.0f} m" for mark in marks]
    room = round(max((font.getlength(text) for text in texts), default=0))
    canvas = Image.new("RGB", (picture.width + 2 * margin + bar + size // 2 + room, picture.height), PAPER)
    canvas.paste(picture, (0, 0))
    ramp = COLOURS[np.linspace(0, 255, length).round().astype(np.uint8)]
    left = picture.width + margin
    canvas.paste(Image.fromarray(ramp[:, None].repeat(bar, 1)), (left, margin))
    draw = ImageDraw.Draw(canvas)
    for mark, text in zip(marks, texts, strict=True):
        row = margin + (mark - near) / (far - near) * (length - 1)
        draw.line((left, row, left + bar, row), fill=INK)
        draw.text((left + bar + size // 2, row), text, fill=INK, font=font, anchor="lm")
    return canvas
