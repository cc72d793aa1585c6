"""Evaluation of a saved model on a split of a data set, on one process or several."""

from functools import partial
from pathlib import Path

from accelerate import Accelerator

from ..data import DatasetSpec, Samples, load_split
from ..load import load_model, load_processor
from .results import write_results
from .segmentation import evaluate_segmentation
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
    **views,
) -> dict:
    """Score a saved segmentation model; every process gets the result, the first writes the results file.

    Args:
        name_or_path: model folder or Hub id.
        spec: the data set.
        split: its split.
        accelerator: says which device and which share of the images are this process's.
        revision: see `load_model`.
        trust_remote_code: see `load_model`.
        short_side: see `input_format`.
        limit: number of images; None for all.
        on_bad: "raise" or "skip" at an unreadable row; see `Samples`.
        output: path of the results file; None for none.
        views: further arguments of `WholeImage`: max_side, multiple, scales, flip.

    Raises:
        ValueError: model and data set differ in their number of classes, or see `evaluate_segmentation`.
    """
    model = load_model(name_or_path, revision, trust_remote_code, accelerator.device)
    if model.config.num_labels != spec.num_labels:
        raise ValueError(
            f"{name_or_path} knows {model.config.num_labels} classes but {spec.name} has {spec.num_labels}: "
            "evaluate it on the data set it was trained for"
        )
    form = input_format(load_processor(name_or_path, revision, trust_remote_code), short_side)
    protocol = form | views
    metrics = evaluate_segmentation(
        model,
        Samples(load_split(spec, split), spec, on_bad=on_bad),
        num_labels=spec.num_labels,
        ignore_index=spec.ignore_index,
        device=accelerator.device,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
        reduce=partial(accelerator.reduce, reduction="sum"),
        limit=limit,
        id2label=spec.id2label,
        **protocol,
    )
    if output is not None and accelerator.is_main_process:
        source = {"name_or_path": str(name_or_path), "revision": revision}
        extra = {"split": split, "evaluation": protocol | {"limit": limit}, "checkpoint": source}
        write_results(output, metrics, model, spec, extra)
    return metrics
