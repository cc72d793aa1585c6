"""Pictures in rows and columns, with headings, row labels and notes that never overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sapa_hf.pictures.legend import INK, PAPER

from .marks import QUIET, TEXT, font

HEADING = 20  # pixels
GAP, APART = 12, 20  # between cells; more between groups
LINE = round(1.5 * TEXT)  # height of a line of words


@dataclass(frozen=True)
class Cell:
    """A picture, and a note to stand below it."""

    picture: Image.Image
    note: str = ""


@dataclass(frozen=True)
class Row:
    """Cells side by side, the first in the column of the photo, with a label at their left.

    A row that opens a group stands apart from the row above.
    """

    label: str
    cells: list[Cell]
    opens: bool = False


@dataclass(frozen=True)
class Head:
    """What stands above a column: its caption, and a score below it."""

    caption: str
    score: str


def set_grid(heads: Sequence[Head], rows: Sequence[Row]) -> Image.Image:
    """Set rows of cells below their headings; columns are as wide as their widest cell or words need."""
    widths = [_column_width(head, [row.cells[n] for row in rows]) for n, head in enumerate(heads)]
    top = GAP + round(1.4 * HEADING) + (LINE if any(head.score for head in heads) else 0)
    bottom = top + sum(_row_height(row) + LINE + GAP + APART * row.opens for row in rows)
    canvas = Image.new("RGB", (LINE + sum(widths) + GAP * (len(widths) + 1), bottom), PAPER)
    draw = ImageDraw.Draw(canvas)
    lefts = [LINE + GAP + sum(widths[:n]) + GAP * n for n in range(len(widths))]
    for head, left, width in zip(heads, lefts, widths, strict=True):
        draw.text((left + width / 2, GAP), head.caption, INK, font(HEADING), "ma")
        draw.text((left + width / 2, GAP + 1.4 * HEADING), head.score, QUIET, font(), "ma")
    for row in rows:
        height, label = _row_height(row), _label(row.label)
        top += APART * row.opens
        canvas.paste(label, (GAP // 2, top + (height - label.height) // 2))
        for cell, left, width in zip(row.cells, lefts, widths, strict=True):
            place = left + (width - cell.picture.width) // 2, top + (height - cell.picture.height) // 2
            canvas.paste(cell.picture, place)
            below = place[1] + cell.picture.height + 4
            draw.text((left + width / 2, below), cell.note, QUIET, font(), "ma")
        top += height + LINE + GAP
    return canvas


def _column_width(head: Head, cells: Sequence[Cell]) -> int:
    words = [font(HEADING).getlength(head.caption), font().getlength(head.score)]
    words += [font().getlength(cell.note) for cell in cells]
    return max(round(max(words)) + 1, *(cell.picture.width for cell in cells))


def _row_height(row: Row) -> int:
    return max(_label(row.label).height, *(cell.picture.height for cell in row.cells))


def _label(words: str) -> Image.Image:
    """Write words from bottom to top."""
    line = Image.new("RGB", (round(font().getlength(words)) + 2, LINE), PAPER)
    ImageDraw.Draw(line).text((1, LINE / 2), words, INK, font(), "lm")
    return line.transpose(Image.Transpose.ROTATE_90)
