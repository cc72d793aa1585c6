"""What lies in a folder that should hold a model, and what is wrong with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
LFS, ZIP, PICKLE = b"version https://git-lfs", b"PK\x03\x04", b"\x80"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def find_folder(name: str | Path) -> Path | None:
    """Find a model's folder; None for the id of a model on the Hub.

    Raises:
        FileNotFoundError: the name is a path, and no model lies there.
        NotADirectoryError: it is a file.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return _checked(path)
    if path.exists():
        raise NotADirectoryError(f"{name} is a file: give the folder that holds it, with its {CONFIG}")
    # A path is never asked of the Hub, where anyone may own the name.
    if not isinstance(name, str) or not HUB_ID.fullmatch(name) or path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {name}")
    return None


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json as data.

    Raises:
        ValueError: it is not a JSON object.
    """
    path = folder / CONFIG
    text = path.read_bytes()
    if text.startswith(LFS):
        raise ValueError(_pointer(path))
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold an object, got a {type(config).__name__}")
    return config


def check_weights(folder: Path) -> None:
    """Make sure that the weights are whole safetensors files, and say what they are instead.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a file is something else, or the index names a file elsewhere.
    """
    for name in _shards(folder / INDEX) if (folder / INDEX).is_file() else [WEIGHTS]:
        path = folder / name
        if path.is_file():
            _check_file(path)
            continue
        pickles = sorted(p.name for p in folder.glob("*.bin"))
        hint = f" {pickles[0]} is a pickle and is not read: save it anew as safetensors." if pickles else ""
        raise FileNotFoundError(f"{path} does not exist.{hint}")


def _checked(folder: Path) -> Path:
    if (folder / CONFIG).is_file():
        return folder
    if (folder / "best" / CONFIG).is_file():
        raise FileNotFoundError(f"{folder} is the folder of a run: give its model, {folder / 'best'}")
    raise FileNotFoundError(
        f"{folder} has no {CONFIG}: give a folder written by model.save_pretrained, or by a finished training"
    )


def _shards(index: Path) -> list[str]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        elsewhere = [name for name in names if Path(name).name != name or "\\" in name]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{index} must be JSON with a "weight_map" of names; save the model anew.'
        ) from error
    if elsewhere:
        raise ValueError(f"{index} must name files beside it, got {elsewhere[0]!r}")
    return names


def _check_file(path: Path) -> None:
    try:
        with safe_open(path, "pt") as tensors:
            tensors.keys()
    except SafetensorError as error:  # only now: a good file may begin with a pickle's first byte
        with path.open("rb") as file:
            start = file.read(len(LFS))
        if start == LFS:
            raise ValueError(_pointer(path)) from error
        found = f"not a whole safetensors file ({error}; was the download cut short?)"
        if start.startswith((ZIP, PICKLE)):
            found = (
                "a PyTorch pickle under another name: load it where you trust it and save it as safetensors"
            )
        raise ValueError(f"{path} is {found}.") from error


def _pointer(path: Path) -> str:
    return f"{path} is a Git LFS pointer, not the file itself: fetch it with `git lfs pull` or `hf download`."
