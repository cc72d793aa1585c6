"""Scores as plain-text tables for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from .architecture import Figure


def figures_table(rows: Mapping[str, Mapping[str, Any]], figures: Sequence[Figure]) -> str:
    """Lay out some figures, one row an evaluation.

    Args:
        rows: title of an evaluation -> its metrics.
        figures: the columns.
    """
    cells = [
        [title, *(figure.text(scores.get(figure.key)) for figure in figures)]
        for title, scores in rows.items()
    ]
    return lay_out(["", *(figure.name for figure in figures)], cells)


def lay_out(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Align the first column left and the others right, under a ruled header."""
    table = [header, *cells]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in table
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
