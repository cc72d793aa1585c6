"""Loading a model folder strictly: the right kind of file, and every weight in its place."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModel, PreTrainedModel

import sapa_hf  # noqa: F401  (registers our models, so that no remote code is asked for)

from ..modeling.compiled_code import refuse_compiled_code
from .family import family_of

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
LFS, ZIP, PICKLE = b"version https://git-lfs", b"PK\x03\x04", b"\x80"


def load_strict(folder: str | Path) -> PreTrainedModel:
    """Load one of our models, on the CPU, in evaluation mode.

    Only the package's own code runs, whatever code lies in the folder.

    Args:
        folder: A model folder, as `save_pretrained` writes it.

    Raises:
        FileNotFoundError: The folder, its config or its weights do not exist.
        ValueError: The config is not one of ours or asks for compiled code; the weights are not safetensors;
            a weight is missing, superfluous or of another shape.
    """
    folder = Path(folder)
    config = read_config(folder)
    family_of(config)
    check_weights(folder)
    config = AutoConfig.from_pretrained(folder)
    model, keys = AutoModel.from_pretrained(
        folder, config=config, output_loading_info=True, ignore_mismatched_sizes=True
    )
    _check_keys(folder, config, keys)
    return model.eval()


def read_config(folder: Path) -> dict:
    """Read config.json as data, refusing one that would have compiled code fetched.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is no JSON object, or names a kernel from the Hub.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: give a folder written by model.save_pretrained.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold an object, but it holds a {type(config).__name__}.")
    refuse_compiled_code(config, str(path))
    return config


def check_weights(folder: Path) -> None:
    """Make sure that the weights are whole safetensors files, and say what they are instead.

    Raises:
        FileNotFoundError: There are none.
        ValueError: A file is something else.
    """
    if (folder / INDEX).is_file():
        paths = [folder / Path(shard).name for shard in _shards(folder / INDEX)]
    else:
        paths = [folder / WEIGHTS]
    for path in paths:
        if path.is_file():
            _check_file(path)
            continue
        pickles = sorted(p.name for p in folder.glob("*.bin"))
        hint = f" {pickles[0]} is a pickle and is not read: save it anew as safetensors." if pickles else ""
        raise FileNotFoundError(f"{path} does not exist.{hint}")


def _shards(index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{index} must be JSON with a "weight_map" of names; save the model anew.'
        ) from error


def _check_file(path: Path) -> None:
    try:
        with safe_open(path, "pt") as tensors:
            tensors.keys()
    except SafetensorError as error:  # only now: a good file may begin with a pickle's first byte
        with path.open("rb") as file:
            start = file.read(len(LFS))
        came = f"no whole safetensors file ({error}): was the download cut short?"
        if start == LFS:
            came = "a Git LFS pointer, not the weights: fetch them with `git lfs pull` or `hf download`"
        elif start.startswith((ZIP, PICKLE)):
            came = (
                "a PyTorch pickle under another name: load it where you trust it and save it as safetensors"
            )
        raise ValueError(f"{path} is {came}.") from error


def _check_keys(folder: Path, config, keys: dict) -> None:
    reshaped = {f"{key} ({tuple(came)} for {tuple(need)})" for key, came, need in keys["mismatched_keys"]}
    groups = (
        ("missing", keys["missing_keys"]),
        ("unexpected", keys["unexpected_keys"]),
        ("of another shape", reshaped),
    )
    found = [f"{len(names)} {title}: {_list(names)}" for title, names in groups if names]
    if found:
        raise ValueError(
            f"The weights in {folder} are not those of its config (upsampler {config.upsampler!r}). "
            + "; ".join(found)
            + ". Is config.json another variant's?"
        )


def _list(names, limit: int = 20) -> str:
    names = sorted(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
