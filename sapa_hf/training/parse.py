"""From a command line to the arguments of a run, and back to the keys of a recipe."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import MISSING, Field, fields
from typing import Any

from .arguments import ABOUT, GROUPS, TYPES, Arguments
from .overrides import assign, read_overrides
from .recipe import read_recipe, recipe_label, recipe_names
from .typed import convert, describe, show
from .validation import check_arguments


def parse_arguments(tokens: Sequence[str]) -> Arguments:
    """Turn a command line into the arguments of a run: a recipe's path or name first, overrides after it.

    Args:
        tokens: such as `["segformer_small_camvid", "data_path=camvid", "--max_steps", "100", "--resume"]`.

    Raises:
        ValueError: for an unknown key, a value of the wrong type or a value out of range, naming the key.
    """
    tokens = list(tokens)
    if {"-h", "--help"} & set(tokens):
        print(help_text())
        raise SystemExit(0)
    named = bool(tokens) and not tokens[0].startswith("-") and "=" not in tokens[0]
    settings = {"recipe": recipe_label(tokens[0])} | read_recipe(tokens.pop(0)) if named else {}
    for key, value in read_overrides(tokens):
        assign(settings, key, value)
    typed = {key: convert(value, TYPES[key], key) for key, value in settings.items()}
    groups = {
        name: group(**{entry.name: typed[entry.name] for entry in fields(group) if entry.name in typed})
        for name, group in GROUPS.items()
    }
    arguments = Arguments(**groups, given=frozenset(typed))
    check_arguments(arguments)
    return arguments


def as_settings(arguments: Arguments, keys: frozenset[str] | None = None) -> dict[str, Any]:
    """Flatten the arguments of a run into the keys of a recipe.

    Args:
        arguments: Of the run.
        keys: Those that its task reads among the settings that not all tasks do; the others are left out.
            None keeps all.
    """
    return {
        key: deepcopy(value)
        for group in arguments.groups
        for key, value in vars(group).items()
        if not ABOUT[key]["once"] and (keys is None or key in keys or not ABOUT[key]["by_task"])
    }


def help_text() -> str:
    """List every key with its type, its default and its meaning."""
    lines = [
        "usage: train.py RECIPE [key=value ...] [--key value ...]",
        "",
        f"RECIPE is a YAML file or one of {', '.join(recipe_names())}.",
        "An entry of a mapping is set by key.entry=value.",
    ]
    for name, group in GROUPS.items():
        meaning = (group.__doc__ or "").partition("\n")[0]
        lines += ["", f"{name}: {meaning}"]
        lines += [line for entry in fields(group) for line in _help_lines(entry)]
    return "\n".join(textwrap.fill(line, 110, subsequent_indent=" " * 8) for line in lines)


def _help_lines(entry: Field) -> list[str]:
    default = entry.default if entry.default_factory is MISSING else entry.default_factory()
    return [
        f"  {entry.name}={show(default)}",
        f"      {entry.metadata['help']} ({describe(TYPES[entry.name])})",
    ]
