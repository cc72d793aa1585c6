"""The picture of a study: every run as a point, every variant's mean as a stroke."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from sapa_hf.tasks import Figure, task_named

from .summary import summarize

POINT, MEAN, BASELINE = "#6f93b5", "#16324f", "#c0392b"


def draw_plot(records: Sequence[dict], baseline: str, path: Path, title: str) -> None:
    """Write a PNG: one panel a metric, one row a variant, the baseline's mean as a line.

    Raises:
        ValueError: No run is finished yet.
    """
    if not records:
        raise ValueError("No run is finished yet: there is nothing to draw.")
    figures = task_named(records[0]["task"]).figures
    rows = summarize(records, baseline)
    canvas = Canvas(figsize=(4.4 * len(figures), 1.2 + 0.42 * len(rows)), layout="constrained")
    panels = canvas.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    for panel, figure in zip(panels, figures, strict=True):
        _draw_panel(panel, records, rows, baseline, figure)
    canvas.suptitle(title, fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=120)


def _draw_panel(panel, records: Sequence[dict], rows: Sequence[dict], baseline: str, figure: Figure) -> None:
    names = [row["variant"] for row in rows]
    means = [figure.scale * row[figure.key]["mean"] for row in rows]
    panel.plot(means, range(len(names)), "|", color=MEAN, markersize=18, markeredgewidth=2.5)
    for record in records:
        value = figure.scale * record["metrics"][figure.key]
        panel.plot(value, names.index(record["variant"]), "o", color=POINT, markersize=5, alpha=0.9)
    if baseline in names:
        panel.axvline(means[names.index(baseline)], color=BASELINE, linewidth=1, linestyle="--")
    values = [figure.scale * record["metrics"][figure.key] for record in records]
    margin = 0.35 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 1
    panel.set_xlim(min(values) - margin, max(values) + margin)
    panel.set_ylim(len(names) - 0.4, -0.6)  # the first variant on top
    panel.set_yticks(range(len(names)), names)
    better = "lower is better" if figure.lower_is_better else "higher is better"
    panel.set_title(f"{figure.title} ({better})", fontsize=9)
    panel.grid(axis="x", alpha=0.3)
    panel.set_axisbelow(True)
