"""A picture that compares class maps of a photo: the whole, above a close look at where classes meet."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from sapa_hf.pictures import colourize, comparison_strip, legend_for, overlay, palette, with_legend

PANEL = 384  # height in pixels
CLOSE = 0.3  # share of the picture's shorter side that the close look shows
FRAME = PAPER = (255, 255, 255)


def busiest(maps: Iterable[np.ndarray], count: int = 1) -> list[int]:
    """Find the class maps with the most borders, the most first."""
    return _largest([_borders(labels).mean() for labels in maps], count)


def fullest(maps: Iterable[np.ndarray], classes: Sequence[int], count: int = 1) -> list[int]:
    """Find the class maps with the largest share of some classes, the fullest first."""
    return _largest([np.isin(labels, classes).mean() for labels in maps], count)


def compare(
    image: np.ndarray,
    truth: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    id2label: Mapping[int, str],
    classes: Sequence[int] | None = None,
) -> Image.Image:
    """Set photo, truth and predictions side by side, whole and close.

    Args:
        image: Photo, (H, W, 3) uint8.
        truth: Class map (H, W).
        predictions: Caption -> class map (H, W).
        id2label: Class names.
        classes: Whose borders the close look seeks; those of all unless given.
    """
    sought = truth if classes is None else np.isin(truth, classes)
    maps = {"labels": truth, **predictions}
    colours = palette(max(id2label) + 1)
    box = most_bordered(sought, max(8, round(CLOSE * min(truth.shape))))
    whole = {"photo": _enlarged(image)}
    whole |= {
        title: _enlarged(np.asarray(overlay(image, labels, colours, 0.7))) for title, labels in maps.items()
    }
    scale = whole["photo"].width / image.shape[1]
    for panel in whole.values():
        ImageDraw.Draw(panel).rectangle([round(side * scale) for side in box], outline=FRAME, width=2)
    close = {"close": _enlarged(_crop(image, box))}
    close |= {
        f"{title}, close": _enlarged(colourize(_crop(labels, box), colours)) for title, labels in maps.items()
    }
    legend = legend_for(list(maps.values()), id2label, colours)
    return stacked([with_legend(comparison_strip(whole, PANEL), legend), comparison_strip(close, PANEL)])


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Set pictures below each other."""
    size = max(picture.width for picture in pictures), sum(picture.height for picture in pictures)
    canvas, top = Image.new("RGB", size, PAPER), 0
    for picture in pictures:
        canvas.paste(picture, (0, top))
        top += picture.height
    return canvas


def most_bordered(labels: np.ndarray, side: int) -> tuple[int, int, int, int]:
    """Find the square with the most borders between classes: left, top, right, bottom."""
    sums = np.pad(_borders(labels).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    counts = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(counts.argmax(), counts.shape)
    return int(left), int(top), int(left) + side, int(top) + side


def _largest(shares: Sequence[float], count: int) -> list[int]:
    return np.argsort(-np.array(shares), kind="stable")[:count].tolist()


def _borders(labels: np.ndarray) -> np.ndarray:
    """Count, for each pixel, its right and lower neighbour of another class."""
    borders = np.zeros(labels.shape, np.int64)
    borders[:, :-1] += labels[:, :-1] != labels[:, 1:]
    borders[:-1] += labels[:-1] != labels[1:]
    return borders


def _crop(pixels: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, right, bottom = box
    return pixels[top:bottom, left:right]


def _enlarged(pixels: np.ndarray) -> Image.Image:
    """Enlarge so that every pixel is seen as it is."""
    picture = Image.fromarray(pixels)
    factor = max(1, -(-PANEL // picture.height))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
