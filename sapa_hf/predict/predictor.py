"""The predictor of a model's task."""

import torch

from ..load import load_model, load_processor, task_ending
from .depth import DepthPredictor
from .segmentation import SegmentationPredictor

PREDICTORS = {  # a new task: one file and one line here
    "ForDepthEstimation": DepthPredictor,
    "ForSemanticSegmentation": SegmentationPredictor,
}


def load_predictor(
    name_or_path: str,
    revision: str | None = None,
    trust_remote_code: bool = False,
    device: torch.device | str = "cpu",
    **options,
):
    """Load a model, its processor, and the predictor of its task.

    Args:
        name_or_path: a folder, or a Hub id.
        revision: commit of a Hub id.
        trust_remote_code: see `load_model`.
        device: where the model goes.
        options: go to the predictor.

    Returns:
        An object with `predict(image, name)` and `pictures(image, prediction)`.
    """
    model = load_model(name_or_path, revision, trust_remote_code, device)
    processor = load_processor(name_or_path, revision, trust_remote_code)
    return PREDICTORS[task_ending(model.config, name_or_path)](model, processor, **options)
