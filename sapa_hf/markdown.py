"""Tables that read as plain text and as Markdown alike."""

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

WIDTH = 118
JOINERS = "\u200c\u200d"  # Persian, Indic and emoji need them


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lay out a Markdown table with aligned columns.

    Args:
        header: One title a column.
        rows: Cells, as many as titles.
        left: How many leading columns are text, flush left; the others are flush right.
    """
    widths = [max(3, *(len(row[column]) for row in (header, *rows))) for column in range(len(header))]
    rule = ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(header), line(rule), *map(line, rows)])


def plain_line(value: Any, limit: int = 200) -> str:
    """Turn a value into one line of visible characters, cut where it is longer than `limit`.

    Line breaks become spaces; control characters and those that turn the direction of writing go.
    """
    text = " ".join(str(value).split())
    text = "".join(c for c in text if c in JOINERS or not unicodedata.category(c).startswith("C"))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def inline_text(value: Any, limit: int = 200) -> str:
    """Turn a value into one line that Markdown shows as it is: no markup, link, image, HTML or table cell."""
    text = plain_line(value, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_\[\]|~$!])", r"\\\1", text)
    link = re.compile(r"(?<=http):|(?<=https):|(?<=ftp):|(?<=www)\.", re.IGNORECASE)
    return link.sub(lambda found: f"&#{ord(found[0])};", text)


def paragraph(text: str) -> str:
    """Break a paragraph into lines."""
    return _filled(text)


def bullets(points: Sequence[str]) -> str:
    """Lay out a list, its longer points on several lines."""
    return "\n".join(_filled(point, initial_indent="- ", subsequent_indent="  ") for point in points)


def _filled(text: str, **indents: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False, **indents)
