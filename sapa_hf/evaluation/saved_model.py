"""Evaluation of a saved model on a split of a data set, on one process or several."""

from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ..data import DatasetSpec, OnBad
from ..load import load_for_photos
from ..tasks import Task, check_options
from ..tasks.scoring import score_model, share_of
from .results import write_results


def evaluate_model(
    name_or_path: str,
    spec: DatasetSpec,
    split: str,
    accelerator: Accelerator,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    limit: int | None = None,
    on_bad: OnBad = "raise",
    output: str | Path | None = None,
    progress: bool = True,
    **options: Any,
) -> tuple[type[Task], dict]:
    """Score a saved model of any task; every process gets the result, the first writes the results file.

    Args:
        name_or_path: model folder or Hub id.
        spec: the data set.
        split: its split.
        accelerator: says which device and which share of the images are this process's.
        revision: see `load_model`.
        trust_remote_code: see `load_model`.
        limit: number of images; None for all.
        on_bad: "raise" or "skip" at an unreadable row; see `Samples`.
        output: path of the results file; None for none.
        progress: whether the first process shows a bar.
        options: the task's `views` and `scoring`, such as short_side or crop; None is as if not given.

    Returns:
        The model's task, and its metrics, images, skipped and images_per_second.

    Raises:
        ValueError: the task does not have an option, or model and data set do not fit.
    """
    options = {option: value for option, value in options.items() if value is not None}
    task, model, processor = load_for_photos(name_or_path, revision, trust_remote_code, accelerator.device)
    check_options(task, options, str(name_or_path))
    try:
        task.check_data(model, processor, spec)
        inference = task.inference(processor, **_of(task.views, options))
    except ValueError as error:
        raise ValueError(f"{name_or_path}: {error}") from error
    scoring = _of(task.scoring, options)
    metrics = score_model(
        model,
        task.samples(spec, split, on_bad),
        inference,
        task.scores(spec, **scoring),
        limit=limit,
        progress=progress,
        **share_of(accelerator),
    )
    if output is not None and accelerator.is_main_process:
        extra = {
            "task": task.name,
            "split": split,
            "evaluation": inference.protocol | task.scoring_protocol(spec, **scoring) | {"limit": limit},
            "checkpoint": {"name_or_path": str(name_or_path), "revision": revision},
        }
        write_results(output, metrics, model, spec, extra)
    return task, metrics


def _of(offered: dict, options: dict) -> dict:
    return {option: value for option, value in options.items() if option in offered}
