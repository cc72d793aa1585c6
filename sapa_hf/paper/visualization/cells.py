"""The single pictures of the figure: photo, feature, patch, kernel, and cells that hold words."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from sapa_hf.pictures.legend import PAPER

from .kernel_map import Box, KernelMap
from .marks import LETTERS, QUIET, TEXT, Colour, dot, font, outline, point_colours, tag
from .points import Point

HEAT = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)  # (256, 3)
EMPTY = (238, 238, 242)  # where there is no picture
SURROUNDINGS = 0.15  # of the window's side, shown around it
FADED = 0.7  # how far the photo around a kernel goes towards white


def feature_cell(colours: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Enlarge a map (H, W, 3) to a size (width, height) in which each position is a sharp, even block."""
    picture = Image.fromarray(colours)
    factors = [-(-wanted // own) for wanted, own in zip(size, picture.size, strict=True)]
    blocks = picture.resize(
        tuple(f * own for f, own in zip(factors, picture.size, strict=True)), Image.Resampling.NEAREST
    )
    return blocks.resize(size, Image.Resampling.BOX)


def photo_cell(
    photo: np.ndarray, points: Sequence[Point], boxes: Sequence[Box], size: tuple[int, int]
) -> Image.Image:
    """Draw the photo with its points, and a box around what is shown enlarged."""
    picture = Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS)
    scale = (size[0] / photo.shape[1], size[1] / photo.shape[0])
    draw = ImageDraw.Draw(picture)
    for (x, y), box, letter, colour in zip(points, boxes, LETTERS, point_colours(len(points)), strict=False):
        left, top, right, bottom = (round(side * scale[n % 2]) for n, side in enumerate(box))
        outline(draw, (left, top, right, bottom), colour)
        dot(draw, ((x + 0.5) * scale[0], (y + 0.5) * scale[1]), colour)
        tag(draw, (left, top), letter, colour, size)
    return picture


def patch_cell(
    photo: np.ndarray, box: Box, windows: Sequence[Box], point: Point, colour: Colour, side: int
) -> Image.Image:
    """Draw a part of the photo enlarged, with the outlines of the operators' windows and the point."""
    picture = cut_out(photo, box, side)
    draw = ImageDraw.Draw(picture)
    for window in sorted(set(windows)):
        outline(draw, _placed(window, box, side), colour)
    dot(draw, _placed((point[0] + 0.5, point[1] + 0.5) * 2, box, side)[:2], colour)
    return picture


def kernel_cell(photo: np.ndarray, box: Box, kernel: KernelMap, colour: Colour, side: int) -> Image.Image:
    """Draw a kernel as a heat map at its window's place in the faded part of the photo.

    Black is 0, the brightest colour the kernel's largest weight, or 1 for a window of one position.
    """
    picture = Image.blend(cut_out(photo, box, side), Image.new("RGB", (side, side), "white"), FADED)
    left, top, right, bottom = _placed(kernel.window, box, side)
    most = kernel.weights.max() if kernel.weights.size > 1 else 1  # a single weight has no shape to show
    share = kernel.weights / max(float(most), np.finfo(np.float32).tiny)
    heat = HEAT[(np.clip(share, 0, 1) * 255).round().astype(np.uint8)]  # (K, K, 3)
    picture.paste(feature_cell(heat, (max(1, right - left), max(1, bottom - top))), (left, top))
    draw = ImageDraw.Draw(picture)
    outline(draw, (left, top, right, bottom), colour)
    middle = [(kernel.pixel[axis] + kernel.pixel[axis + 2]) / 2 for axis in (0, 1)]
    dot(draw, _placed((*middle, *middle), box, side)[:2], colour)
    return picture


def words_cell(words: str, size: tuple[int, int]) -> Image.Image:
    """Set some words in the middle of a cell without a picture."""
    picture = Image.new("RGB", size, EMPTY)
    ImageDraw.Draw(picture).text((size[0] / 2, size[1] / 2), words, QUIET, font(), "mm")
    return picture


def key_cell(channels: str, size: tuple[int, int]) -> Image.Image:
    """Explain the colours: what those of the features show, and the scale of the kernels."""
    words = "\n".join(_broken(f"colours: {channels}", 0.94 * size[0]))
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    middle, centre = size[0] / 2, size[1] / 2
    draw.multiline_text((middle, centre - TEXT), words, QUIET, font(), "md", spacing=5, align="center")
    scale = Image.fromarray(HEAT[None]).resize((round(0.8 * size[0]), TEXT))
    left, top = round(0.1 * size[0]), round(centre + 2.5 * TEXT)
    draw.text((middle, top - 6), "kernel weights", QUIET, font(), "md")
    picture.paste(scale, (left, top))
    draw.text((left, top + TEXT + 4), "0", QUIET, font(), "la")
    draw.text((left + scale.width, top + TEXT + 4), "largest", QUIET, font(), "ra")
    return picture


def box_around(windows: Sequence[Box], point: Point, photo_size: tuple[int, int]) -> Box:
    """Choose the square of the photo that shows a point's windows, or its surroundings if there are none."""
    if not windows:
        half = min(photo_size) / 8
        return point[0] + 0.5 - half, point[1] + 0.5 - half, point[0] + 0.5 + half, point[1] + 0.5 + half
    sides = np.array(windows)
    low, high = sides[:, :2].min(0), sides[:, 2:].max(0)
    middle, half = (low + high) / 2, (high - low).max() * (0.5 + SURROUNDINGS)
    return *(middle - half).tolist(), *(middle + half).tolist()


def cut_out(photo: np.ndarray, box: Box, side: int) -> Image.Image:
    """Enlarge a part of a photo to a square; beyond the photo it is empty."""
    rows, columns = (_samples(low, high, side) for low, high in ((box[1], box[3]), (box[0], box[2])))
    height, width = photo.shape[:2]
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    pixels = photo[rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)]  # (side, side, 3)
    return Image.fromarray(np.where(inside[..., None], pixels, np.uint8(EMPTY)))


def _placed(box: Box, frame: Box, side: int) -> tuple[int, int, int, int]:
    """Say where a box of the photo lies in a square picture of the frame."""
    scale = side / (frame[2] - frame[0])
    return tuple(round((edge - frame[n % 2]) * scale) for n, edge in enumerate(box))


def _samples(low: float, high: float, count: int) -> np.ndarray:
    """Give the photo's pixel under each of `count` steps from low to high."""
    return np.floor(low + (np.arange(count) + 0.5) * (high - low) / count).astype(int)


def _broken(line: str, width: float) -> list[str]:
    """Break a line where it would be wider than this, in pixels."""
    lines = [""]
    for word in line.split():
        longer = f"{lines[-1]} {word}".strip()
        if font().getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
