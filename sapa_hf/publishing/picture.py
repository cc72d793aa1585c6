"""The picture of a card: what was measured of each class."""

from collections.abc import Mapping
from pathlib import Path

from ..pictures import class_bars

PICTURE = "results.png"
SCORES = {"iou": "IoU, %", "boundary_iou": "boundary IoU, %"}


def write_picture(folder: Path, results: Mapping) -> Path | None:
    """Draw the results of each class into a folder; None where they hold none, as those of depth do.

    Args:
        folder: Where to.
        results: As they are published.
    """
    rows = {row["id"]: row for row in results["per_class"]}
    scores = {
        title: {label: row[key] for label, row in rows.items() if row.get(key) is not None}
        for key, title in SCORES.items()
    }
    scores = {title: values for title, values in scores.items() if values}
    if SCORES["iou"] not in scores:
        return None
    names = {label: row.get("name", str(label)) for label, row in rows.items()}
    path = folder / PICTURE
    class_bars(names, scores).save(path)
    return path
