"""Boxes with names drawn on a photo."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from .legend import text_size
from .lettering import font_for, shown_names
from .palette import palette

INK = (255, 255, 255)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    id2label: Mapping[int, str],
    scores: np.ndarray | None = None,
) -> Image.Image:
    """Draw boxes with the names of their classes, and their scores where they have some.

    Args:
        image: (H, W, 3) uint8.
        boxes: (n, 4) as x1, y1, x2, y2 in pixels; the first is drawn last, above the others.
        classes: (n,).
        id2label: Class names.
        scores: (n,) in 0..1.
    """
    picture = Image.fromarray(image)
    draw, size = ImageDraw.Draw(picture), text_size(picture.height)
    names, colours = shown_names(id2label), palette(max(id2label) + 1)
    texts = [names.get(int(number), str(int(number))) for number in classes]
    if scores is not None:
        texts = [f"{text} {score:.2f}" for text, score in zip(texts, scores, strict=True)]
    font = font_for(texts, size)
    for box, number, text in reversed(list(zip(boxes, classes, texts, strict=True))):
        colour = tuple(int(channel * 0.8) for channel in colours[int(number)])  # so that white is read on it
        x1, y1, x2, y2 = (float(side) for side in box)
        draw.rectangle([x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)], outline=colour, width=max(2, size // 6))
        left, top, right, bottom = draw.textbbox((x1, y1), text, font=font)
        draw.rectangle([left, top, right + 2, bottom + 2], fill=colour)
        draw.text((x1, y1), text, font=font, fill=INK)
    return picture
