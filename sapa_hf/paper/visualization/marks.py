"""Letters, dots and outlines that are seen on any ground."""

from string import ascii_uppercase

from PIL import ImageDraw, ImageFont

from sapa_hf.pictures import palette

Colour = tuple[int, int, int]
QUIET = (118, 118, 126)  # words that stand back
LETTERS = ascii_uppercase  # names of the points
TEXT = 16  # pixels


def font(size: int = TEXT) -> ImageFont.FreeTypeFont:
    """Give the figure's font at a size in pixels."""
    return ImageFont.load_default(size)


def point_colours(count: int) -> list[Colour]:
    """Give each point its colour."""
    return [tuple(colour) for colour in palette(count).tolist()]


def outline(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour) -> None:
    """Draw a rectangle that is seen on any ground."""
    left, top = box[:2]
    right, bottom = max(box[2], left + 2), max(box[3], top + 2)
    draw.rectangle((left - 1, top - 1, right, bottom), outline="white", width=4)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=2)


def tag(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], letter: str, colour: Colour, size: tuple[int, int]
) -> None:
    """Name the box that has its left top corner here, above it where the picture has room."""
    left = min(max(corner[0] - 1, 0), size[0] - TEXT - 4)
    top = corner[1] - TEXT - 6 if corner[1] > TEXT + 6 else max(corner[1], 0)
    draw.rectangle((left, top, left + TEXT + 3, top + TEXT + 3), fill=colour)
    draw.text((left + TEXT / 2 + 2, top + TEXT / 2 + 2), letter, "white", font(), "mm")


def dot(draw: ImageDraw.ImageDraw, place: tuple[float, float], colour: Colour) -> None:
    """Draw a dot that is seen on any ground."""
    draw.circle(place, 5, fill="white")
    draw.circle(place, 3, fill=colour)
