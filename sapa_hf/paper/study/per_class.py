"""What a study found for each class: thin and rare classes are where upsamplers differ."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from sapa_hf.markdown import markdown_table


def class_table(records: Sequence[dict], baseline: str) -> str:
    """Lay out the IoU of every class, the rarest first, as a Markdown table.

    Args:
        records: As `read_runs` gives them.
        baseline: The variant that others are compared with.

    Returns:
        One row a class, one column a variant: the mean over seeds in per cent, and in brackets the mean
        difference over the seeds that the baseline has too. Empty where the task has no classes.
    """
    found: dict[str, dict[int, dict[str, float | None]]] = {}
    shares: dict[str, float] = {}
    for record in records:
        rows = record.get("per_class") or []
        if rows:
            found.setdefault(record["variant"], {})[record["seed"]] = {
                row["name"]: row.get("iou") for row in rows
            }
            pixels = sum(row.get("pixels") or 0 for row in rows) or 1
            shares = {row["name"]: (row.get("pixels") or 0) / pixels for row in rows}
    head = ["class", "pixels", *found]
    lines = [
        [
            label,
            f"{shares[label]:.1%}",
            *(_cell(label, seeds, found.get(baseline, {})) for seeds in found.values()),
        ]
        for label in sorted(shares, key=shares.__getitem__)
        if shares[label] > 0
    ]
    return markdown_table(head, lines) if found else ""


def _cell(label: str, seeds: dict[int, dict], base: dict[int, dict]) -> str:
    """The class in one variant; an IoU that was not defined (null) is left out of the mean."""
    values = {seed: row[label] for seed, row in seeds.items() if row.get(label) is not None}
    if not values:
        return ""
    text = f"{100 * fmean(values.values()):.1f}"
    pairs = [
        value - base[seed][label]
        for seed, value in values.items()
        if base.get(seed, {}).get(label) is not None
    ]
    return text if seeds is base or not pairs else f"{text} ({100 * fmean(pairs):+.1f})"
