"""Pictures side by side, each under its caption."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from .legend import INK, PAPER, text_size
from .lettering import font_for


def comparison_strip(
    panels: Mapping[str, Image.Image | np.ndarray], height: int | None = None
) -> Image.Image:
    """Set pictures side by side, such as photo, truth and prediction.

    Args:
        panels: caption -> RGB picture; they are brought to one height.
        height: that height in pixels; the first picture's own unless given.

    Raises:
        ValueError: there is no panel.
    """
    if not panels:
        raise ValueError("a strip needs at least one panel")
    pictures = [Image.fromarray(p) if isinstance(p, np.ndarray) else p for p in panels.values()]
    height = height or pictures[0].height
    pictures = [_at_height(picture.convert("RGB"), height) for picture in pictures]
    size = text_size(height)
    font = font_for(panels, size)
    band, gap = round(size * 1.9), max(6, size // 2)
    widths = [max(p.width, round(font.getlength(c)) + gap) for p, c in zip(pictures, panels, strict=True)]
    canvas = Image.new("RGB", (sum(widths) + gap * (len(widths) + 1), band + height + gap), PAPER)
    draw = ImageDraw.Draw(canvas)
    left = gap
    for caption, picture, width in zip(panels, pictures, widths, strict=True):
        draw.text((left + width / 2, band / 2), caption, fill=INK, font=font, anchor="mm")
        canvas.paste(picture, (left + (width - picture.width) // 2, band))
        left += width + gap
    return canvas


def _at_height(picture: Image.Image, height: int) -> Image.Image:
    """Resize a picture to a height, keeping its ratio."""
    if picture.height == height:
        return picture
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)
