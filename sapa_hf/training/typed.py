"""Turning what YAML or a command line says into the type of a setting."""

from __future__ import annotations

import json
import re
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml

NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
BOOLEANS = {"true": True, "yes": True, "on": True, "1": True}
BOOLEANS |= {"false": False, "no": False, "off": False, "0": False}


class Loader(yaml.SafeLoader):
    """YAML's safe loader with the scalars of YAML 1.2, which refuses a key that is given twice.

    YAML 1.1 takes 1e-3 for text, `no` for false, 010 for eight and 1:30 for ninety.
    """

    yaml_implicit_resolvers: dict = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Read a mapping.

        Raises:
            yaml.YAMLError: naming a key that is given twice.
        """
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"{', '.join(twice)} is given twice{node.start_mark}")
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", FLOAT, "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


class Dumper(yaml.SafeDumper):
    """YAML's safe dumper, which quotes what either version of YAML would not take for text."""


Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^(?:{FLOAT})$"), list("-+.0123456789"))


def from_text(text: str | list[str], kind: Any, key: str) -> Any:
    """Read a command line's value: as YAML, but text stays as it is, and a list needs no brackets.

    Args:
        text: The value, or several where a list was written as `--key a b`.
        kind: Type of the setting.
        key: Its name, for the message.

    Raises:
        ValueError: naming the key, what must be and what was given.
    """
    plain, item = _without_none(kind), _item(kind)
    if isinstance(text, list):
        if item is None:
            return _refuse(key, kind, " ".join(text))
        return [from_text(part, item, f"{key}[{index}]") for index, part in enumerate(text)]
    if plain is str or get_origin(plain) is Literal:
        if text == "null" and plain is not kind:
            return None
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return convert(text[1:-1] if quoted else text, kind, key)
    try:
        value = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        if plain is Any or get_origin(plain) is dict:
            raise ValueError(f"`{key}` must be valid YAML, got {text!r}: {error}") from error
        value = text  # such as a list of regular expressions
    if item is not None and value is not None and not isinstance(value, list):
        bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
        return from_text([part for part in re.split(r"[\s,]+", bare) if part], kind, key)
    return convert(value, kind, key)


def convert(value: Any, kind: Any, key: str) -> Any:
    """Check that a value has the type of its setting; whole numbers are numbers, yes and no are booleans.

    Args:
        value: As YAML gives it.
        kind: Type of the setting: bool, int, float, str, a Literal of texts, a list of these or a mapping; or
            None.
        key: Its name, for the message.

    Raises:
        ValueError: naming the key, what must be and what was given.
    """
    plain, item = _without_none(kind), _item(kind)
    if plain is Any or (value is None and plain is not kind):
        return value
    if item is not None and isinstance(value, str):
        return from_text(value, kind, key)
    if item is not None and isinstance(value, list):
        return [convert(entry, item, f"{key}[{index}]") for index, entry in enumerate(value)]
    if plain is bool and str(value).lower() in BOOLEANS:
        return BOOLEANS[str(value).lower()]
    if plain is float and type(value) in (int, float):
        return float(value)
    if get_origin(plain) is Literal and value in get_args(plain):
        return value
    if (get_origin(plain) or plain) is type(value) and item is None:
        return value
    return _refuse(key, kind, value)


def is_mapping(kind: Any) -> bool:
    """Whether a setting is a mapping, whose entries can be set one by one."""
    return get_origin(kind) is dict


def describe(kind: Any) -> str:
    """Say what a setting of this type must be."""
    plain, item = _without_none(kind), _item(kind)
    if get_origin(plain) is Literal:
        said = f"one of {', '.join(get_args(plain))}"
    elif item is not None:
        said = f"a list, such as [a, b], where each is {NAMES[item]}"
    else:
        said = NAMES.get(plain, "a mapping such as {key: value}")
    return said if plain is kind else f"{said}, or null"


def show(value: Any) -> str:
    """Write a value as a recipe would: null, true, [1, 2]."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _refuse(key: str, kind: Any, value: Any) -> Any:
    text = _without_none(kind) is str and value is not None
    hint = f'; put it in quotes: "{value}"' if text and not isinstance(value, (list, dict)) else ""
    raise ValueError(f"`{key}` must be {describe(kind)}, got {show(value)}{hint}")


def _without_none(kind: Any) -> Any:
    """The type beside None, where None is allowed."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return next(part for part in get_args(kind) if part is not NoneType)


def _item(kind: Any) -> Any:
    """The type of a list's entries; None where the setting is not a list."""
    plain = _without_none(kind)
    return get_args(plain)[0] if get_origin(plain) is list else None
