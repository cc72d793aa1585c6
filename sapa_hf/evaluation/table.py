"""Scores as plain-text tables for a terminal."""

from collections.abc import Mapping, Sequence

OVERALL = ("mean_iou", "boundary_iou", "mean_accuracy", "overall_accuracy")


def overall_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out the overall scores, in per cent, one row a run.

    Args:
        rows: title of a run -> results of evaluate_segmentation or evaluate_constant, or "metrics" of a
            results file.
    """
    cells = [[title, *(_percent(scores.get(key)) for key in OVERALL)] for title, scores in rows.items()]
    return _layout(["", "mIoU", "bIoU", "mean acc", "pixel acc"], cells)


def per_class_table(per_class: Sequence[Mapping]) -> str:
    """Lay out the scores of every class, in per cent; a class that does not occur has dashes."""
    pixels = sum(row["pixels"] for row in per_class) or 1
    cells = [
        [
            f"{row['id']:>3} {row['name']}",
            _percent(row["iou"]),
            _percent(row["boundary_iou"]),
            _percent(row["accuracy"]),
            _percent(row["pixels"] / pixels),
        ]
        for row in per_class
    ]
    return _layout(["class", "IoU", "bIoU", "acc", "share"], cells)


def _percent(value: float | None) -> str:
    return "-" if value is None or value != value else f"{100 * value:.2f}"


def _layout(header: list[str], cells: list[list[str]]) -> str:
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
