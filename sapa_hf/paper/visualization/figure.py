"""The figure: a column for each model, rows for its features and its kernels, after the paper's Figure 2."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from .cells import box_around, feature_cell, key_cell, photo_cell
from .comparison import Comparison, PhotoViews, compare_upsampling
from .feature_colours import Channels
from .grid import Cell, Head, Row, set_grid
from .kernel_map import KernelMap
from .kernel_row import SQUARE, kernel_row
from .marks import LETTERS, point_colours
from .points import Point
from .subject import make_subjects

MAP_WIDTH, MAP_HEIGHT = 240, 320  # room for photo and features, pixels
KEY_HEIGHT = 160  # at least, of the words and the scale below the photo


def draw_upsampling(
    models: PreTrainedModel | str | Path | Sequence[PreTrainedModel | str | Path],
    photo,
    points: Sequence[Point] | None = None,
    *,
    captions: Sequence[str] | None = None,
    channels: Channels = "pca",
    level: int = 4,
    short_side: int | None = None,
    processor: BaseImageProcessor | None = None,
    device: torch.device | str = "cpu",
) -> Image.Image:
    """Draw what the upsamplers of some models do to a photo, in the manner of the paper's Figure 2.

    A column for each model, under its operator's name, and its score where its folder holds results. Rows:
    the low-resolution decoder feature and the same upsampled, in one set of colours (see `feature_colours`);
    then for each point the kernel of its output pixel, a heat map at the window's place, beside that part of
    the photo. Kernels run from black at 0 to their own largest weight, which is written below.

    Args:
        models: A model or several; each a model in memory or a folder that was written by save_pretrained or
            by training. They may be of different kinds.
        photo: A photo or a list of them: a file, a PIL image or an array (H, W, 3).
        points: (x, y) in pixels, used on every photo; by default two on strong edges and one in an even
            region of each.
        captions: Instead of the operators' names.
        channels: What the colours show: "pca", the first three principal components; "mean" of all channels;
            a channel's number; or three numbers for red, green and blue.
        level: Which upsampler: the last to run that leads to 1/level of the image. 4 is the step from 1/8;
            there are coarser ones, and BTS has 2.
        short_side: The photo's short side in the models, pixels; as each model's processor has it unless
            given, 0 for the photo's own size.
        processor: Instead of those beside the models.
        device: Where models that are loaded run; those in memory stay where they are.

    Returns:
        RGB picture.

    Raises:
        FileNotFoundError: A folder holds no model.
        TypeError: A model is neither, or a coordinate is not a whole number.
        ValueError: A photo cannot be read, a point lies outside it, a model has no such upsampler or channel.
    """
    subjects = make_subjects(models, captions, processor, short_side, device)
    return draw_comparison(compare_upsampling(subjects, photo, points, channels, level))


def draw_comparison(comparison: Comparison) -> Image.Image:
    """Draw what `compare_upsampling` gathered."""
    heads = [Head("", ""), *map(Head, comparison.captions, comparison.scores)]
    rows = [row for views in comparison.photos for row in photo_rows(views, comparison.channels)]
    return set_grid(heads, [replace(rows[0], opens=False), *rows[1:]])


def photo_rows(views: PhotoViews, channels: Channels) -> list[Row]:
    """Draw one photo's rows: features, upsampled features, and the kernels at each point.

    Args:
        views: The photo and what the models do to it.
        channels: What the features' colours show.
    """
    size = _map_size(views.photo)
    boxes = [
        box_around([kernel.window for kernel in kernels if kernel], point, views.photo.shape[:2])
        for point, kernels in zip(views.points, _by_point(views), strict=True)
    ]
    before = [Cell(photo_cell(views.photo, views.points, boxes, size), "photo")]
    after = [Cell(key_cell(_shown(channels), (max(size[0], SQUARE), max(size[1], KEY_HEIGHT))))]
    for view in views.views:
        before.append(_map_cell(view.feature, view.source, size))
        after.append(_map_cell(view.upsampled, view.level, size))
    rows = [Row("decoder feature", before, opens=True), Row("upsampled feature", after)]
    colours = point_colours(len(views.points))
    for letter, point, kernels, colour in zip(LETTERS, views.points, _by_point(views), colours, strict=False):
        rows.append(kernel_row(f"kernels at {letter}", views.photo, point, kernels, colour))
    return rows


def _by_point(views: PhotoViews) -> list[tuple[KernelMap | None, ...]]:
    """Sort kernels by point: for each point those of all models."""
    return list(zip(*(view.kernels for view in views.views), strict=True))


def _map_cell(colours: np.ndarray, level: int, size: tuple[int, int]) -> Cell:
    return Cell(feature_cell(colours, size), f"1/{level}, {colours.shape[1]} x {colours.shape[0]}")


def _map_size(photo: np.ndarray) -> tuple[int, int]:
    """Give photo and features a size (width, height) in the photo's ratio."""
    height, width = photo.shape[:2]
    scale = min(MAP_WIDTH / width, MAP_HEIGHT / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _shown(channels: Channels) -> str:
    """Say in words what the features' colours show."""
    if channels == "pca":
        return "the first three principal components, the same before and after"
    if channels == "mean":
        return "the mean of all channels"
    if isinstance(channels, tuple):
        return "the channels {}, {} and {} as red, green and blue".format(*channels)
    return f"channel {channels}"
