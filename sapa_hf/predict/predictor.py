"""The predictor of a model's task."""

from pathlib import Path
from typing import Any

import torch

from ..load import load_for_photos
from ..tasks import check_options
from ..tasks.scoring import Predictor


def load_predictor(
    name_or_path: str | Path,
    revision: str | None = None,
    trust_remote_code: bool = False,
    device: torch.device | str = "cpu",
    **options: Any,
) -> Predictor:
    """Load a model, its processor, and the predictor of its task.

    Args:
        name_or_path: a folder, or a Hub id.
        revision: commit of a Hub id.
        trust_remote_code: see `load_model`.
        device: where the model goes.
        options: the task's `views` and `predicting`, such as short_side or trimaps; None is as if not given.

    Raises:
        ValueError: the task does not have an option, or see `load_for_photos`.
    """
    options = {option: value for option, value in options.items() if value is not None}
    task, model, processor = load_for_photos(name_or_path, revision, trust_remote_code, device)
    check_options(task, options, str(name_or_path))
    try:
        return task.predictor(model, processor, **options)
    except ValueError as error:
        raise ValueError(f"{name_or_path}: {error}") from error
