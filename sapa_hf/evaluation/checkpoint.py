"""Evaluation of a saved model on a split of a data set, on one process or several."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from accelerate import Accelerator
from transformers import PreTrainedModel

from ..data import DatasetSpec, Samples, load_split
from ..load import load_model, load_processor, task_ending
from .depth import evaluate_depth
from .results import write_results
from .segmentation import evaluate_segmentation
from .whole_depth import depth_format
from .whole_image import input_format


def evaluate_checkpoint(
    name_or_path: str,
    spec: DatasetSpec,
    split: str,
    accelerator: Accelerator,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    short_side: int | None = None,
    limit: int | None = None,
    on_bad: str = "raise",
    output: str | Path | None = None,
    metric: Mapping | None = None,
    **views,
) -> dict:
    """Score a saved model of any task; every process gets the result, the first writes the results file.

    Args:
        name_or_path: model folder or Hub id.
        spec: the data set.
        split: its split.
        accelerator: says which device and which share of the images are this process's.
        revision: see `load_model`.
        trust_remote_code: see `load_model`.
        short_side: see `input_format` and `depth_format`.
        limit: number of images; None for all.
        on_bad: "raise" or "skip" at an unreadable row; see `Samples`.
        output: path of the results file; None for none.
        metric: options of the depth metric, over the benchmark's own: min_depth, max_depth, crop.
        views: further arguments of `WholeImage` (max_side, multiple, scales, flip) or `WholeDepth`.

    Raises:
        ValueError: model and data set do not fit, or see `evaluate_segmentation` and `evaluate_depth`.
    """
    model = load_model(name_or_path, revision, trust_remote_code, accelerator.device)
    processor = load_processor(name_or_path, revision, trust_remote_code)
    ending = task_ending(model.config, name_or_path)
    _refuse_foreign_options(name_or_path, ending, {"scales": views.get("scales")} | dict(metric or {}))
    if ending == "ForDepthEstimation":
        metric = {**spec.depth_metric, **(metric or {})}
        task, target, score = "depth-estimation", "depth", partial(evaluate_depth, metric=metric)
        protocol = depth_format(processor, short_side) | views
        recorded = protocol | {"metric": metric}
    else:
        task, target, score = "image-segmentation", "labels", _segmentation(name_or_path, model, spec)
        protocol = recorded = input_format(processor, short_side) | views
    metrics = score(
        model,
        Samples(load_split(spec, split), spec, target=target, on_bad=on_bad),
        device=accelerator.device,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        reduce=partial(accelerator.reduce, reduction="sum"),
        limit=limit,
        **protocol,
    )
    if output is not None and accelerator.is_main_process:
        source = {"name_or_path": str(name_or_path), "revision": revision}
        evaluation = recorded | {"limit": limit}
        extra = {"task": task, "split": split, "evaluation": evaluation, "checkpoint": source}
        write_results(output, metrics, model, spec, extra)
    return metrics


def _refuse_foreign_options(name: str, ending: str, options: Mapping) -> None:
    """Refuse what only the other task's evaluation has, rather than leave it out in silence."""
    depth = ending == "ForDepthEstimation"
    foreign, task = ({"scales"}, "segmentation") if depth else ({"min_depth", "max_depth", "crop"}, "depth")
    given = sorted(key for key in foreign if options.get(key) is not None)
    if given:
        raise ValueError(
            f"{', '.join(given)} came, which only {task} has, but {name} is no model of that: leave it out."
        )


def _segmentation(name: str, model: PreTrainedModel, spec: DatasetSpec) -> Callable[..., dict]:
    """Make the evaluation of a segmentation model that knows the data set's classes."""
    if model.config.num_labels != spec.num_labels:
        raise ValueError(
            f"{name} knows {model.config.num_labels} classes but {spec.name} has {spec.num_labels}: "
            "evaluate it on the data set it was trained for"
        )
    return partial(
        evaluate_segmentation,
        num_labels=spec.num_labels,
        ignore_index=spec.ignore_index,
        id2label=spec.id2label,
    )
