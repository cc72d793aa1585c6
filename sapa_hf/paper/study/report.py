"""The files that a study leaves: figures of every run, a table, a plot."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from sapa_hf.publishing.redaction import redact

from .matrix import PlannedRun
from .per_class import class_table
from .plot import draw_plot
from .summary import difference_table, read_runs, summary_table


def write_report(
    runs: Sequence[PlannedRun],
    vary: str,
    baseline: str,
    settings: Sequence[str],
    folder: Path,
    title: str | None = None,
) -> str:
    """Write study.json, study.md and study.png about the runs that are finished.

    Args:
        runs: The whole plan.
        vary: The setting that is varied.
        baseline: The variant that others are compared with.
        settings: Recipe and settings that all runs share; where the data lies is left out of the files.
        folder: Where the files go.
        title: Of the plot; the recipe's name and what is varied unless given.

    Returns:
        The tables, Markdown.
    """
    variants = list(dict.fromkeys(run.variant for run in runs))
    seeds = list(dict.fromkeys(str(run.seed) for run in runs))
    command = ["python", "scripts/study.py", *_without_place(settings)]
    command += ["--vary", vary, "--variants", *variants, "--seeds", *seeds]
    command += ["--baseline", baseline] if baseline != variants[0] else []
    command += ["--title", title] if title else []
    command = shlex.join([*command, "--output_dir", f"studies/{folder.name}"])
    records = read_runs(runs)
    tables = (form(records, baseline) for form in (summary_table, difference_table, class_table))
    table = "\n\n".join(filter(None, tables))
    folder.mkdir(parents=True, exist_ok=True)
    study = {"command": command, "baseline": baseline, "runs": records}
    (folder / "study.json").write_text(json.dumps(study, indent=2) + "\n", encoding="utf-8")
    (folder / "study.md").write_text(f"`{command}`\n\n{table}\n", encoding="utf-8")
    if records:
        draw_plot(
            records,
            baseline,
            folder / "study.png",
            title or f"{settings[0] if settings else 'study'}: {vary}",
        )
    return table


def _without_place(settings: Sequence[str]) -> list[str]:
    """Leave out where the data lies, in each form that a command line may give it, and other local paths."""
    shown = []
    for number, setting in enumerate(settings):
        key, equals, value = setting.partition("=")
        if key.removeprefix("--") == "data_path" and equals:
            shown.append(f"{key}=FOLDER")
        elif number and settings[number - 1] == "--data_path":
            shown.append("FOLDER")
        else:
            shown.append(f"{redact(key, relative=False)}{equals}{redact(value, relative=False)}")
    return shown
