"""What a study found: mean and spread of each variant, and its paired difference to the baseline."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

from scipy.stats import t

from sapa_hf.evaluation import read_results
from sapa_hf.markdown import markdown_table
from sapa_hf.tasks import Figure, task_named

from .matrix import PlannedRun
from .runner import is_finished


def read_runs(runs: Sequence[PlannedRun]) -> list[dict[str, Any]]:
    """Collect what the finished runs measured; runs without a results file are left out.

    Raises:
        ValueError: A run had other settings than the plan's, or they learnt from different data.
    """
    records, data = [], {}
    for run in runs:
        if is_finished(run):
            results, speeds = read_results(run.folder / "results.json"), _speeds(run)
            data.setdefault(results["training"].get("data"), run.folder)
            records.append(
                {
                    "variant": run.variant,
                    "seed": run.seed,
                    "task": results["task"],
                    "metrics": results["metrics"],
                    "per_class": results["per_class"],
                    "images": results["dataset"]["images"],
                    "parameters": results["model"]["parameters"],
                    "steps": results["training"]["steps"],
                    "best_step": results["training"]["best_step"],
                    "images_per_second": statistics.median(speeds) if speeds else None,
                    "peak_memory_mb": results["training"].get("peak_memory_mb"),
                    "commit": results["commit"],
                    "hardware": results["hardware"],
                    "date": results["date"],
                }
            )
    data.pop(None, None)  # written before the data's fingerprint was
    if len(data) > 1:
        folders = " and ".join(map(str, data.values()))
        raise ValueError(
            f"{folders} learnt from different data, so they cannot be compared: give each data set a study "
            "of its own, another --output_dir."
        )
    return records


def summarize(records: Sequence[dict], baseline: str) -> list[dict[str, Any]]:
    """Average over seeds, and compare with the baseline seed by seed.

    Args:
        records: As `read_runs` gives them.
        baseline: The variant that others are compared with.

    Returns:
        One row a variant, in order of appearance: its runs, parameters, speed and memory, and for each metric
        `mean`, `spread` (standard deviation; None for one run), and over the seeds that the baseline has too
        `difference`, `difference_spread` and `difference_interval`, the half width of its 95 % confidence
        interval by Student's t (None for the baseline and where no seed, or only one, is shared).
    """
    by_variant: dict[str, dict[int, dict]] = {}
    for record in records:
        by_variant.setdefault(record["variant"], {})[record["seed"]] = record
    base = by_variant.get(baseline, {})
    return [
        _row(variant, seeds, {} if variant == baseline else base) for variant, seeds in by_variant.items()
    ]


def summary_table(records: Sequence[dict], baseline: str) -> str:
    """Lay the summary out as a Markdown table: mean ± standard deviation, (paired difference ± its own)."""
    rows = summarize(records, baseline)
    if not rows:
        return "No run is finished yet."
    figures = task_named(records[0]["task"]).figures
    titles = [f"{figure.title} (to {baseline})" for figure in figures]
    head = ["variant", "runs", *titles, "parameters", "images/s", "peak memory, MB"]
    lines = []
    for row in rows:
        cells = [_cell(row[figure.key], figure) for figure in figures]
        speed = "" if row["images_per_second"] is None else f"{row['images_per_second']:.1f}"
        memory = "" if row["peak_memory_mb"] is None else f"{row['peak_memory_mb']:.0f}"
        lines.append([row["variant"], str(row["runs"]), *cells, f"{row['parameters']:,}", speed, memory])
    return markdown_table(head, lines)


def difference_table(records: Sequence[dict], baseline: str) -> str:
    """Lay out the paired differences with their 95 % confidence intervals, as a Markdown table.

    Args:
        records: As `read_runs` gives them.
        baseline: The variant that others are compared with.

    Returns:
        One row a variant that shares two seeds or more with the baseline; empty where there is none.
    """
    rows = [row for row in summarize(records, baseline) if row["variant"] != baseline]
    figures = task_named(records[0]["task"]).figures if records else []
    lines = []
    for row in rows:
        found = [(row[figure.key], figure) for figure in figures]
        if any(values["difference_interval"] is None for values, _ in found):
            continue
        cells = [
            _pair(values["difference"], values["difference_interval"], "+", figure)
            for values, figure in found
        ]
        lines.append([row["variant"], *cells])
    head = ["variant", *(f"{figure.title} to {baseline}, 95 % interval" for figure in figures)]
    return markdown_table(head, lines) if lines else ""


def _speeds(run: PlannedRun) -> list[float]:
    lines = (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry["images_per_second"] for entry in entries if "loss" in entry]


def _row(variant: str, seeds: dict[int, dict], base: dict[int, dict]) -> dict[str, Any]:
    first = next(iter(seeds.values()))
    row = {"variant": variant, "runs": len(seeds), "parameters": first["parameters"]}
    for key in ("images_per_second", "peak_memory_mb"):
        known = [record[key] for record in seeds.values() if record[key] is not None]
        row[key] = statistics.median(known) if known else None
    for figure in task_named(first["task"]).figures:
        values = [record["metrics"][figure.key] for record in seeds.values()]
        pairs = [
            record["metrics"][figure.key] - base[seed]["metrics"][figure.key]
            for seed, record in seeds.items()
            if seed in base
        ]
        mean, spread = _mean_and_spread(values)
        difference, difference_spread = _mean_and_spread(pairs)
        row[figure.key] = {
            "mean": mean,
            "spread": spread,
            "difference": difference,
            "difference_spread": difference_spread,
            "difference_interval": _interval(difference_spread, len(pairs)),
        }
    return row


def _mean_and_spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    mean = statistics.fmean(values) if values else None
    return mean, statistics.stdev(values) if len(values) > 1 else None


def _interval(spread: float | None, count: int) -> float | None:
    """Give the half width of the mean's 95 % interval, from the standard deviation of `count` values."""
    return None if spread is None else float(t.ppf(0.975, count - 1)) * spread / count**0.5


def _cell(found: dict, figure: Figure) -> str:
    text = _pair(found["mean"], found["spread"], "", figure)
    if found["difference"] is not None:
        text += f" ({_pair(found['difference'], found['difference_spread'], '+', figure)})"
    return text


def _pair(mean: float, spread: float | None, sign: str, figure: Figure) -> str:
    text = f"{mean * figure.scale:{sign}.{figure.digits}f}"
    return text if spread is None else f"{text} ± {spread * figure.scale:.{figure.digits}f}"
