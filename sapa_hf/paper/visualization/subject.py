"""A model that takes part in a comparison: how it is called, and how photos come to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.load import load_model, load_processor
from sapa_hf.publishing import find_model, find_results
from sapa_hf.tasks import task_named, task_of
from sapa_hf.tasks.photo_input import PhotoInput, check_channels


@dataclass(frozen=True)
class Subject:
    """A model with its caption.

    Attributes:
        model: In memory, on its device.
        caption: Its operator, unless the caller knows better.
        score: Its main measured figure, such as "mIoU 43.2", or "".
        inference: Brings photos to the model's size and normalisation; sides are stretched to multiples of
            32, for depth models too, so that all maps cover the whole photo.
    """

    model: PreTrainedModel
    caption: str
    score: str
    inference: PhotoInput


def make_subjects(
    models: PreTrainedModel | str | Path | Sequence[PreTrainedModel | str | Path],
    captions: Sequence[str] | None = None,
    processor: BaseImageProcessor | None = None,
    short_side: int | None = None,
    device: torch.device | str = "cpu",
) -> list[Subject]:
    """Make a model or several ready to be shown; each caption is that of the model in its place.

    Arguments and errors are `make_subject`'s.
    """
    models = [models] if isinstance(models, (PreTrainedModel, str, Path)) else list(models)
    if captions is not None and len(captions) != len(models):
        raise ValueError(f"{len(models)} models need as many captions, got {len(captions)}")
    captions = captions or [None] * len(models)
    return [
        make_subject(model, caption, processor, short_side, device)
        for model, caption in zip(models, captions, strict=True)
    ]


def make_subject(
    model: PreTrainedModel | str | Path,
    caption: str | None = None,
    processor: BaseImageProcessor | None = None,
    short_side: int | None = None,
    device: torch.device | str = "cpu",
) -> Subject:
    """Make a model ready to be shown.

    Args:
        model: A model, or the folder of one; for a run's folder its best.
        caption: Instead of the operator's name.
        processor: Instead of the one beside the weights.
        short_side: Of photos in the model, pixels; the processor's unless given, 0 for each photo's own.
        device: Where a model that is loaded goes.

    Raises:
        FileNotFoundError: The folder holds no model.
        TypeError: It is neither a model nor a folder.
    """
    score = ""
    if isinstance(model, (str, Path)):
        folder = _model_folder(Path(model))
        # A model in memory may have been trained on since its results were written: only folders are scored.
        score = _score(folder)
        model = load_model(str(folder), device=device)
    elif not isinstance(model, PreTrainedModel):
        raise TypeError(
            f"a model of transformers, or the folder of one, is needed, got {type(model).__name__}"
        )
    if processor is None and model.name_or_path and Path(model.name_or_path).is_dir():
        processor = load_processor(model.name_or_path)
    check_channels(model, caption or type(model).__name__)
    processor = task_of([type(model).__name__]).inference(processor).processor
    caption = caption or str(getattr(model.config, "upsampler", type(model).__name__))
    return Subject(model, caption, score, PhotoInput(processor, short_side, multiple=32))


def _model_folder(folder: Path) -> Path:
    if (folder / "best" / "config.json").is_file() and not (folder / "config.json").is_file():
        return folder / "best"
    return find_model(folder, str(folder.resolve()))


def _score(folder: Path) -> str:
    """Read a model's main figure from the results file that measured it."""
    folder = folder.resolve()
    results = find_results(folder, str(folder))
    if results is None and folder.name in ("best", "last"):
        results = find_results(folder.parent, folder.name)
    return task_named(results["task"]).caption(results["metrics"]) if results else ""
