"""Loading a saved model and its processor from a folder or the Hub: strictly, and safetensors only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoImageProcessor, PretrainedConfig, PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from .connection import broken_connection
from .model_folder import check_weights, find_folder, read_config
from .modeling.compiled_code import refuse_compiled_code
from .tasks import Task, auto_class_of, task_of
from .tasks.photo_input import check_channels

COMMIT = re.compile(r"[0-9a-f]{40}")


def load_model(
    name_or_path: str | Path,
    revision: str | None = None,
    trust_remote_code: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | str = torch.float32,
) -> PreTrainedModel:
    """Load a model with its task's head, on a device, in eval mode.

    The models of this package are registered with transformers and load without remote code.

    Args:
        name_or_path: a folder written by save_pretrained, or a Hub id.
        revision: commit of a Hub id.
        trust_remote_code: whether to run code that lies beside the weights; a Hub id then needs the full
            commit.
        device: where the model goes.
        dtype: of the weights; half-precision checkpoints are computed in single precision unless another is
            given. "auto" is as stored.

    Raises:
        FileNotFoundError: there is no such folder, or something is missing in it.
        ConnectionError: the connection to the Hub broke.
        OSError: there is no such model on the Hub, or it has no safetensors weights.
        ValueError: remote code without a full commit, an unknown task, a config that asks for compiled code,
            weights that are not safetensors or not those of the config, a device that is not there.
    """
    folder = find_folder(name_or_path)
    options = _options(name_or_path, folder, revision, trust_remote_code)
    fields = _read_hub_config(name_or_path, options["revision"]) if folder is None else read_config(folder)
    refuse_compiled_code(fields, f"The config of {name_or_path}")
    auto_class: Any = auto_class_of(fields.get("architectures"), str(name_or_path))
    if folder is not None:
        check_weights(folder)
    source = str(name_or_path if folder is None else folder)
    try:
        config = AutoConfig.from_pretrained(source, **options)
        model, keys = auto_class.from_pretrained(
            source,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that all are listed, below
            **options,
        )
    except OSError as error:
        _refuse_half(source, error)
        raise
    except Exception as error:  # transformers and torch raise anything at a config from outside
        raise ValueError(f"the config of {name_or_path} does not fit its model: {error}") from error
    _check_keys(name_or_path, model, keys)
    return _placed(model, device).eval()


def load_processor(
    name_or_path: str | Path, revision: str | None = None, trust_remote_code: bool = False
) -> BaseImageProcessor | None:
    """Load the image processor that lies beside a model; None where a folder has none.

    It is the one that works with Pillow, so that results do not depend on whether torchvision is there.
    """
    folder = find_folder(name_or_path)
    options = _options(name_or_path, folder, revision, trust_remote_code)
    if folder is not None and not (folder / "preprocessor_config.json").is_file():
        return None
    return AutoImageProcessor.from_pretrained(str(folder or name_or_path), backend="pil", **options)


def load_for_photos(
    name_or_path: str | Path,
    revision: str | None = None,
    trust_remote_code: bool = False,
    device: torch.device | str = "cpu",
) -> tuple[type[Task], PreTrainedModel, BaseImageProcessor | None]:
    """Load a model that takes photos, with its task and its processor; see `load_model`.

    On a CPU its weights lie in channels-last order, in which convolutions are faster there.

    Raises:
        ValueError: it takes another number of channels than its task's photos have, or see `load_model`.
    """
    model = load_model(name_or_path, revision, trust_remote_code, device)
    task = task_of([type(model).__name__], str(name_or_path))
    check_channels(model, str(name_or_path), task.channels)
    if model.device.type == "cpu":
        model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # a decorator hides self
    return task, model, load_processor(name_or_path, revision, trust_remote_code)


def _read_hub_config(name: str, revision: str) -> dict:
    """Read a model's config.json from the Hub as data."""
    try:
        return PretrainedConfig.get_config_dict(name, revision=revision)[0]
    except OSError as error:
        _refuse_half(name, error)
        raise OSError(f"no folder {name} here, and no such model on the Hub: {error}") from error


def _refuse_half(name: str, error: OSError) -> None:
    """Raise ConnectionError where a broken connection is behind an error: transformers blames the files."""
    if reason := broken_connection(error):
        raise ConnectionError(
            f"the connection broke while {name} was downloaded ({reason}): what is not whole is not kept. "
            "Run the same again."
        ) from error


def _options(name: str | Path, folder: Path | None, revision: str | None, trust_remote_code: bool) -> dict:
    """Refuse remote code from the Hub that is not pinned to one commit."""
    if trust_remote_code and folder is None and not COMMIT.fullmatch(revision or ""):
        raise ValueError(
            f"trust_remote_code runs code from {name}: give as revision the 40 hexadecimal digits of a "
            f"commit that you have read, got {revision!r}"
        )
    return {"revision": revision or "main", "trust_remote_code": trust_remote_code}


def _placed(model: PreTrainedModel, device: torch.device | str) -> PreTrainedModel:
    """Put a model on a device, or say that there is none of this name."""
    try:
        return model.to(device)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError) as error:  # torch says either
        reason = str(error).splitlines()[0]
        raise ValueError(f"device must be one that torch can use here, got {device}: {reason}") from error


def _check_keys(name: str | Path, model: PreTrainedModel, keys: dict) -> None:
    """Refuse weights that are not exactly those of the config: what is missing would be random."""
    reshaped = {f"{key} ({tuple(found)} for {tuple(need)})" for key, found, need in keys["mismatched_keys"]}
    groups = (
        ("missing", keys["missing_keys"]),
        ("unexpected", keys["unexpected_keys"]),
        ("of another shape", reshaped),
    )
    found = [f"{len(names)} {title}: {_list(names)}" for title, names in groups if names]
    if found:
        upsampler = getattr(model.config, "upsampler", None)
        variant = f" (upsampler {upsampler!r})" if upsampler else ""
        raise ValueError(
            f"The weights in {name} are not those of its config{variant}. {'; '.join(found)}. "
            "Is config.json another variant's?"
        )


def _list(names, limit: int = 20) -> str:
    names = sorted(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
