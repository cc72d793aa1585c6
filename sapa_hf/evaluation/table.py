"""Scores as plain-text tables for a terminal."""

from collections.abc import Mapping, Sequence

OVERALL = ("mean_iou", "boundary_iou", "mean_accuracy", "overall_accuracy")
DEPTH = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")


def results_table(title: str, metrics: Mapping) -> str:
    """Lay out all that an evaluation of any task found.

    Args:
        title: names the evaluation.
        metrics: results of evaluate_segmentation or evaluate_depth.
    """
    if "abs_rel" in metrics:
        return depth_table({title: metrics})
    return "\n\n".join((per_class_table(metrics["per_class"]), overall_table({title: metrics})))


def depth_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out depth errors, one row a run; lower is better up to silog, higher from delta1 on.

    Args:
        rows: title of a run -> results of evaluate_depth or evaluate_constant_depth, or "metrics" of a
            results file.
    """
    cells = [[title, *(_error(scores.get(key)) for key in DEPTH)] for title, scores in rows.items()]
    return _layout(["", *DEPTH], cells)


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


def _error(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"


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
