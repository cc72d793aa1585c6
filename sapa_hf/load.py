"""Loading a trained model and its processor from a folder or the Hub, safetensors only."""

import re
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForDepthEstimation,
    AutoModelForSemanticSegmentation,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.image_processing_utils import BaseImageProcessor

COMMIT = re.compile(r"[0-9a-f]{40}")
AUTO_CLASSES = {  # how a task's architectures end
    "ForDepthEstimation": AutoModelForDepthEstimation,
    "ForSemanticSegmentation": AutoModelForSemanticSegmentation,
}


def load_model(
    name_or_path: str,
    revision: str | None = None,
    trust_remote_code: bool = False,
    device: torch.device | str = "cpu",
) -> PreTrainedModel:
    """Load a model with its task's head, on a device, in eval mode.

    The models of this package are registered with transformers and load without remote code.

    Args:
        name_or_path: a folder written by save_pretrained, or a Hub id.
        revision: commit of a Hub id.
        trust_remote_code: whether to run code that lies beside the weights; a Hub id then needs the full
            commit.
        device: where the model goes.

    Raises:
        ValueError: remote code without a full commit, or an unknown task.
        OSError: there is no such model, or it has no safetensors weights.
    """
    options = _options(name_or_path, revision, trust_remote_code)
    config = AutoConfig.from_pretrained(name_or_path, **options)
    auto = AUTO_CLASSES[task_ending(config, name_or_path)]
    model = auto.from_pretrained(name_or_path, config=config, use_safetensors=True, **options)
    return model.to(device).eval()


def load_processor(
    name_or_path: str, revision: str | None = None, trust_remote_code: bool = False
) -> BaseImageProcessor | None:
    """Load the image processor that lies beside a model; None where a folder has none."""
    options = _options(name_or_path, revision, trust_remote_code)
    if Path(name_or_path).is_dir() and not (Path(name_or_path) / "preprocessor_config.json").is_file():
        return None
    return AutoImageProcessor.from_pretrained(name_or_path, **options)


def task_ending(config: PretrainedConfig, name: str) -> str:
    """Find how the model's architecture ends, which names its task.

    Raises:
        ValueError: no architecture of the config belongs to a known task.
    """
    for architecture in config.architectures or []:
        for ending in AUTO_CLASSES:
            if architecture.endswith(ending):
                return ending
    raise ValueError(
        f"{name} has the architectures {config.architectures}, but one of *{', *'.join(AUTO_CLASSES)} is "
        "needed: give a model that was saved with its task's head"
    )


def _options(name_or_path: str, revision: str | None, trust_remote_code: bool) -> dict:
    """Refuse remote code from the Hub that is not pinned to one commit."""
    local = Path(name_or_path).is_dir()
    if trust_remote_code and not local and not COMMIT.fullmatch(revision or ""):
        raise ValueError(
            f"trust_remote_code runs code from {name_or_path}: give as revision the 40 hexadecimal digits of "
            f"a commit that you have read, got {revision!r}"
        )
    return {"revision": revision or "main", "trust_remote_code": trust_remote_code}
