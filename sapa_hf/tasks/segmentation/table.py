"""Scores of segmentation as plain-text tables."""

from collections.abc import Mapping, Sequence

from ..architecture import Figure
from ..table import figures_table, lay_out

OVERALL = tuple(
    Figure(key, name, "%", 100, 2)
    for key, name in (
        ("mean_iou", "mIoU"),
        ("boundary_iou", "bIoU"),
        ("mean_accuracy", "mean acc"),
        ("overall_accuracy", "pixel acc"),
    )
)
CLASS = tuple(
    Figure(key, name, "%", 100, 2)
    for key, name in (("iou", "IoU"), ("boundary_iou", "bIoU"), ("accuracy", "acc"), ("share", "share"))
)


def overall_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out the overall scores, in per cent, one row an evaluation.

    Args:
        rows: title of an evaluation -> its metrics.
    """
    return figures_table(rows, OVERALL)


def per_class_table(per_class: Sequence[Mapping]) -> str:
    """Lay out the scores of every class, in per cent; a class that does not occur has dashes."""
    pixels = sum(row["pixels"] for row in per_class) or 1
    cells = [
        [
            f"{row['id']:>3} {row['name']}",
            *(figure.text({**row, "share": row["pixels"] / pixels}[figure.key]) for figure in CLASS),
        ]
        for row in per_class
    ]
    return lay_out(["class", *(figure.name for figure in CLASS)], cells)
