"""Scores of classes as bars."""

from collections.abc import Mapping

from PIL import Image, ImageDraw

from .legend import INK, PAPER
from .lettering import font_for, shown_names
from .palette import palette

MOST = 40  # classes; of more the best and the worst are drawn
ROW, BAR, BAR_HEIGHT, GAP, COLUMN, TEXT = 28, 260, 16, 12, 330, 15  # pixels


def class_bars(
    names: Mapping[int, str], scores: Mapping[str, Mapping[int, float]], most: int = MOST
) -> Image.Image:
    """Draw one row a class: its name, and a bar for each score.

    Args:
        names: class names by label.
        scores: title -> label -> share from 0 to 1, such as IoU; a class without a value has a dash. The rows
            are sorted by the first of them, the best on top.
        most: classes to draw; of more, the best and the worst.

    Raises:
        ValueError: no class has a value of the first score.
    """
    first = next(iter(scores.values()))
    order = sorted((label for label in names if label in first), key=lambda label: -first[label])
    if not order:
        raise ValueError("a picture of scores needs at least one class with a value")
    if len(order) > most:
        order = order[: most // 2] + order[most // 2 - most :]
    shown = shown_names({label: names[label] for label in order})
    font = font_for([*shown.values(), *scores], TEXT)
    margin = round(max(font.getlength(name) for name in shown.values())) + 2 * GAP
    width, height = margin + COLUMN * len(scores), (len(order) + 1) * ROW
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    for column, (title, values) in enumerate(scores.items()):
        left, colour = margin + COLUMN * column, tuple(palette(column + 1)[column].tolist())
        draw.text((left, ROW / 2), title, fill=INK, font=font, anchor="lm")
        for row, label in enumerate(order, 1):
            value, middle = values.get(label), (row + 0.5) * ROW
            end = left + BAR * min(max(value or 0.0, 0.0), 1.0)
            draw.rectangle((left, middle - BAR_HEIGHT / 2, end, middle + BAR_HEIGHT / 2), fill=colour)
            text = "-" if value is None else f"{100 * value:.1f}"
            draw.text((end + GAP / 2, middle), text, fill=INK, font=font, anchor="lm")
    for row, label in enumerate(order, 1):
        draw.text((margin - GAP, (row + 0.5) * ROW), shown[label], fill=INK, font=font, anchor="rm")
    return canvas
