"""Running a study: each training in a process of its own, those that are finished left alone."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Sequence

from sapa_hf.evaluation import read_results
from sapa_hf.tasks import TASKS
from sapa_hf.training import as_settings, parse_arguments
from sapa_hf.training.arguments import ABOUT
from sapa_hf.training.checkpoint import as_json

from .matrix import PlannedRun

logger = logging.getLogger(__name__)


def finish_runs(runs: Sequence[PlannedRun], after_each: Callable[[], object] = lambda: None) -> None:
    """Train what is not yet trained, one run after the other; one that was cut short goes on.

    A run is finished when its folder has a results file, which is checked to come from these settings. A
    process a run keeps their memory apart, and a crash from ending the study's other runs' results.

    Args:
        runs: The plan.
        after_each: Is called when another run is finished.

    Raises:
        ValueError: A finished run in the folder had other settings.
        RuntimeError: A training ended with an error; those before it are kept.
    """
    for number, run in enumerate(runs, 1):
        title = f"run {number} of {len(runs)}: {run.variant}, seed {run.seed}"
        if is_finished(run):
            logger.info("%s: finished before", title)
            continue
        logger.info("%s", title)
        command = [sys.executable, "-m", "sapa_hf.scripts.train", *run.tokens, "resume=true"]
        done = subprocess.run(command)
        if done.returncode or not is_finished(run):
            raise RuntimeError(
                f"{title} ended with status {done.returncode} and no results file in {run.folder}; look at "
                "its messages above, then start the study again: it goes on from the last checkpoint."
            )
        after_each()


def is_finished(run: PlannedRun) -> bool:
    """Say whether the run's folder holds its results.

    Raises:
        ValueError: The results are those of other settings.
    """
    path = run.folder / "results.json"
    if not path.exists():
        return False
    had = read_results(path)["training"]["settings"]
    arguments = parse_arguments(run.tokens)
    wanted = as_json(as_settings(arguments, TASKS[arguments.run.task].keys))
    other = {  # a place affects nothing here; what lies there is compared later
        key for key, value in wanted.items() if had.get(key) != value and ABOUT[key]["affects"] != "nothing"
    }
    if other:
        differences = ", ".join(f"{key} {had.get(key)!r}, now {wanted.get(key)!r}" for key in sorted(other))
        raise ValueError(
            f"{run.folder} holds a finished run with other settings ({differences}): choose another "
            "output_dir, or delete that folder."
        )
    return True
