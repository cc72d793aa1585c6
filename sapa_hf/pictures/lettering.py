"""Class names as a picture can show them: one line, in a font that has the letters, numbered where needed."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

LONGEST = 60  # characters of a name
# Pillow's own font, which has the letters of ASCII only, and one that has many more
FONTS = (None, Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
NO_CHARACTER = "\U0010ffff"


def shown_names(id2label: Mapping[int, str]) -> dict[int, str]:
    """Give each class the text that names it in a picture.

    A name that no font here can draw, or that looks like another one, has its number before it.
    """
    lines = {label: _one_line(name) for label, name in id2label.items()}
    count = Counter(lines.values())
    return {
        label: line if count[line] == 1 and _is_drawable(line) else f"{label} {line}".strip()
        for label, line in lines.items()
    }


def font_for(texts: Iterable[str], size: int) -> ImageFont.FreeTypeFont:
    """Choose a font of a size in pixels that has the letters of the texts, as far as there is one."""
    letters = set("".join(texts))
    fitting = (file for file in FONTS if not any(_is_missing(letter, file) for letter in letters))
    return _font(next(fitting, FONTS[-1]), size)


def _one_line(name: str) -> str:
    """Leave out what cannot be seen, such as line breaks, and shorten a long name."""
    seen = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in str(name))
    line = " ".join(seen.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _is_drawable(line: str) -> bool:
    return bool(line) and any(not any(_is_missing(letter, file) for letter in line) for file in FONTS)


@cache
def _font(file: Path | None, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size) if file is None else ImageFont.truetype(str(file), size)


@cache
def _is_missing(letter: str, file: Path | None) -> bool:
    """Whether a font draws its box for unknown characters in a letter's place."""
    font = _font(file, 20)
    return bytes(font.getmask(letter)) == bytes(font.getmask(NO_CHARACTER))
