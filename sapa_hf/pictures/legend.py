"""A legend of class names and colours beside a picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from .lettering import font_for, shown_names
from .palette import palette

PAPER, INK = (255, 255, 255), (32, 32, 36)
COLUMNS = 3  # at most; a longer legend makes the picture taller
Entry = tuple[str, tuple[int, int, int]]


def text_size(height: int) -> int:
    """Choose a text size, in pixels, that suits a picture of this height."""
    return int(np.clip(height / 24, 12, 30))


def legend_for(
    labels: np.ndarray | Sequence[np.ndarray],
    id2label: Mapping[int, str],
    colours: np.ndarray | None = None,
) -> list[Entry]:
    """List the classes of one or more maps with their colours, the largest first.

    Args:
        labels: class indices (H, W), or several such maps; values without a name are left out.
        id2label: class names.
        colours: RGB uint8 (N, 3); the palette unless given.

    Returns:
        (name, colour) of each class that occurs; see `shown_names` for its number before the name.
    """
    maps = [labels] if isinstance(labels, np.ndarray) else list(labels)
    values, counts = np.unique(np.concatenate([m.ravel() for m in maps]), return_counts=True)
    colours = palette(max(id2label) + 1) if colours is None else colours
    names, order = shown_names(id2label), sorted(zip(-counts, values, strict=True))
    return [(names[int(c)], tuple(colours[int(c)].tolist())) for _, c in order if int(c) in names]


def with_legend(picture: Image.Image, entries: Sequence[Entry]) -> Image.Image:
    """Draw a legend at the right of a picture, in up to three columns.

    Args:
        picture: RGB picture.
        entries: (name, colour), as `legend_for` gives them.
    """
    if not entries:
        return picture
    size = text_size(picture.height)
    font = font_for((name for name, _ in entries), size)
    row, margin = round(size * 1.6), round(size * 0.9)
    rows = max((picture.height - 2 * margin) // row, -(-len(entries) // COLUMNS))
    columns = [entries[start : start + rows] for start in range(0, len(entries), rows)]
    swatch = round(size * 1.05)
    widths = [
        round(max(font.getlength(name) for name, _ in column) + swatch + 0.5 * size) for column in columns
    ]
    height = max(picture.height, max(len(column) for column in columns) * row + 2 * margin)
    canvas = Image.new("RGB", (picture.width + margin + sum(widths) + margin * len(widths), height), PAPER)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    left = picture.width + margin
    for column, width in zip(columns, widths, strict=True):
        for index, (name, colour) in enumerate(column):
            middle = margin + index * row + row / 2
            box = (left, middle - swatch / 2, left + swatch, middle + swatch / 2)
            draw.rounded_rectangle(box, radius=swatch // 5, fill=colour)
            draw.text((left + swatch + 0.5 * size, middle), name, fill=INK, font=font, anchor="lm")
        left += width + margin
    return canvas
