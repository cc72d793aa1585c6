"""The kernels at one point of a photo: a row of the figure, and a picture of every step of a model."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .cells import box_around, kernel_cell, patch_cell, words_cell
from .grid import Cell, Head, Row, set_grid
from .kernel_map import KernelMap, kernel_at
from .marks import Colour, point_colours
from .points import Point, check_points
from .step import upsampling_steps
from .subject import Subject

SQUARE = 200  # side of patches and kernels, pixels


def draw_kernels(subjects: Sequence[Subject], photo: np.ndarray, point: Point) -> Image.Image:
    """Draw the kernels at a point of a photo: a column for each model, a row for each upsampling step.

    Args:
        subjects: As `make_subjects` makes them ready.
        photo: (H, W, 3) uint8.
        point: x, y in pixels of the photo.

    Raises:
        ValueError: The point lies outside the photo, or a model has no upsampler.
    """
    check_points([point], photo, "the photo")
    steps = [upsampling_steps(s.model, s.inference.pixel_values(photo)) for s in subjects]
    rows = []
    for level in sorted({level for own in steps for level in own}, reverse=True):
        kernels = [kernel_at(own[level], point, photo.shape[:2]) if level in own else None for own in steps]
        rows.append(kernel_row(f"step to 1/{level}", photo, point, kernels, point_colours(1)[0]))
    return set_grid([Head("", ""), *(Head(s.caption, s.score) for s in subjects)], rows)


def kernel_row(
    label: str, photo: np.ndarray, point: Point, kernels: Sequence[KernelMap | None], colour: Colour
) -> Row:
    """Draw a point's patch of the photo, and its kernel by each model.

    Args:
        label: Of the row.
        photo: (H, W, 3) uint8.
        point: x, y in pixels of the photo.
        kernels: One a model; None where there is none.
        colour: Of the point and the windows' outlines.
    """
    windows = [kernel.window for kernel in kernels if kernel]
    box = box_around(windows, point, photo.shape[:2])
    cells = [Cell(patch_cell(photo, box, windows, point, colour, SQUARE), f"x {point[0]}, y {point[1]}")]
    for kernel in kernels:
        if kernel is None:
            cells.append(Cell(words_cell("no kernels", (SQUARE, SQUARE))))
            continue
        size, most = len(kernel.weights), kernel.weights.max()
        note = f"{size} x {size}, largest {most:.2f}" if size > 1 else f"1 x 1, weight {most:.2f}"
        cells.append(Cell(kernel_cell(photo, box, kernel, colour, SQUARE), note))
    return Row(label, cells)
