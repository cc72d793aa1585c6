"""The matrix of a study: every variant with every seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sapa_hf.modeling.upsampler import OPTIONS, UPSAMPLERS
from sapa_hf.tasks import task_named
from sapa_hf.training import parse_arguments

_UNFIT = re.compile(r"[^\w.-]")  # for a folder's name


class PlannedRun(NamedTuple):
    """One training of a study.

    Attributes:
        variant: What is varied here, such as "sapa-g" or "sapa-g upsampler_border=mask".
        seed: Its seed.
        folder: Its run folder.
        tokens: Command line of scripts/train.py.
    """

    variant: str
    seed: int
    folder: Path
    tokens: tuple[str, ...]


def plan_runs(
    settings: Sequence[str], vary: str, variants: Sequence[str], seeds: Sequence[int], folder: Path
) -> list[PlannedRun]:
    """List the runs, seed by seed, so that a study that is stopped has whole rows to compare.

    Args:
        settings: Recipe and `key=value` settings that all runs share, as scripts/train.py takes them.
        vary: The setting that is varied, such as "upsampler".
        variants: Its values, each with further settings behind it where it needs them, such as
            "sapa-b upsampler_border=mask".
        seeds: Seeds of initial weights and of the order of samples.
        folder: Where the run folders go.

    Raises:
        TypeError: An option of the upsampler has the wrong type.
        ValueError: A variant or seed is listed twice, the task is unknown, training would refuse the
            settings, or a variant sets an option that its upsampler does not have.
    """
    for name, values in (("variants", variants), ("seeds", seeds)):
        if len(set(values)) < len(values) or not values:
            raise ValueError(
                f"{name} must be listed, each once; got {', '.join(map(str, values)) or 'none'}."
            )
    runs = []
    for seed in seeds:
        for variant in variants:
            value, *extra = variant.split()
            place = folder / f"{_UNFIT.sub('_', variant)}-seed{seed}"
            tokens = (*settings, f"{vary}={value}", *extra, f"seed={seed}", f"output_dir={place}")
            arguments = parse_arguments(tokens)  # a wrong setting is told before the first hour of training
            _refuse_ignored(arguments.model.upsampler, extra)
            task_named(arguments.run.task).check_settings(arguments)
            runs.append(PlannedRun(variant, seed, place, tokens))
    return runs


def _refuse_ignored(upsampler: str, settings: Sequence[str]) -> None:
    """Refuse a variant's options that do nothing: its name would say what it is not."""
    prefix, own = "upsampler_", UPSAMPLERS[upsampler].options
    for name in (setting.split("=")[0] for setting in settings):
        option = name.removeprefix(prefix)
        if name.startswith(prefix) and option in OPTIONS and option not in own:
            raise ValueError(f"{upsampler} has no option {option}; it has {', '.join(own) or 'none'}.")
