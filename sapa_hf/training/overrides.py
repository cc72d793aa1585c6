"""Overrides on a command line: `key=value`, `--key value`, `--key=value`, `--flag`, and `key.inner=value`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from .arguments import TYPES
from .typed import from_text, is_mapping, show


def read_overrides(tokens: Sequence[str]) -> list[tuple[str, Any]]:
    """Read settings from a command line, in any mixture of the forms.

    Args:
        tokens: Such as `["max_steps=100", "--scale", "0.5", "2", "--resume"]`.

    Returns:
        Pairs of key and value in order; a key may be `model_config.depths`.

    Raises:
        ValueError: for an unknown key, a value of the wrong type, or a value without a key.
    """
    pairs: list[tuple[str, list[str] | str]] = []
    open_flag: list[str] | None = None  # the values of the last flag, while it may still take more
    for token in tokens:
        name, equals, value = token.removeprefix("--").partition("=")
        if token.startswith("--"):
            key = check_key(name.replace("-", "_"), f"argument {token!r}")
            open_flag = None if equals else []
            pairs.append((key, value if open_flag is None else open_flag))
        elif equals and (open_flag is None or name.partition(".")[0] in TYPES):
            pairs.append((check_key(name, f"argument {token!r}"), value))
            open_flag = None
        elif open_flag is not None:
            open_flag.append(token)
        else:
            raise ValueError(f"argument {token!r}: write key=value or --key value; the recipe comes first")
    return [(key, _read(key, value)) for key, value in pairs]


def assign(settings: dict[str, Any], key: str, value: Any) -> None:
    """Put one setting on top of others; `key.inner` changes one entry of a mapping, to any depth.

    Raises:
        ValueError: when an entry is to be set in what is not a mapping.
    """
    name, *path = key.split(".")
    if not path:
        settings[name] = value
        return
    if not is_mapping(TYPES[name]):
        raise ValueError(f"`{name}` is not a mapping, so `{key}` does not exist: set `{name}` itself")
    place: dict[Any, Any] = settings
    last: str | int = name
    way = name
    for part in path:
        inner = {} if place.get(last) is None else place[last]
        if not isinstance(inner, dict):
            raise ValueError(f"`{way}` must be a mapping for `{key}` to exist, got {show(inner)}")
        place[last] = dict(inner)  # a base's own mapping stays as it is
        place, last, way = place[last], _entry(part), f"{way}.{part}"
    place[last] = value


def check_key(key: object, where: str) -> str:
    """Return the key, or say which ones exist.

    Raises:
        ValueError: naming the key, where it was given and the nearest valid ones.
    """
    name, *path = str(key).split(".")
    if name in TYPES and all(path):
        return str(key)
    near = difflib.get_close_matches(name, TYPES, n=3, cutoff=0.4)
    hint = f"nearest valid keys: {', '.join(near)}" if near else f"valid keys: {', '.join(TYPES)}"
    raise ValueError(f"{where}: unknown key {str(key)!r}; {hint}")


def _read(key: str, value: list[str] | str) -> Any:
    """Read the text of one override; an entry of a mapping is whatever YAML makes of it."""
    kind = Any if "." in key else TYPES[key]
    if value == []:
        if kind is bool or kind is Any:
            return True
        raise ValueError(f"`--{key}` needs a value: write {key}=VALUE")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if kind is Any and isinstance(value, list):
        return [from_text(part, Any, key) for part in value]
    return from_text(value, kind, key)


def _entry(part: str) -> str | int:
    """Name an entry of a mapping as YAML does: 0 is a number there, as in {0: sky}."""
    return int(part) if part.isdecimal() else part
