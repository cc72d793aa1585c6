"""Reading a recipe: a YAML file, then `key=value` or `--key value` on top of it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import NoReturn

import yaml
from transformers import HfArgumentParser

from .arguments import GROUPS, Arguments, Options
from .validation import check_arguments

ANNOTATIONS = {f.name: group.__annotations__[f.name] for group in GROUPS for f in fields(group)}


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, which refuses a key that is given twice instead of taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Read a mapping.

        Raises:
            yaml.YAMLError: naming a key that is given twice.
        """
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"{', '.join(twice)} is given twice{node.start_mark}")
        return super().construct_mapping(node, deep)


class RecipeParser(HfArgumentParser):
    """HfArgumentParser that raises instead of ending the interpreter."""

    def error(self, message: str) -> NoReturn:
        """Raise argparse's message, which names the key and what came.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{message}. `--help` lists every key with its meaning")


def parse_arguments(tokens: Sequence[str]) -> Arguments:
    """Turn a command line into the arguments of a run: a recipe's path or name first, overrides after it.

    Args:
        tokens: such as `["segformer_small_camvid", "data_path=camvid", "--max_steps", "100", "--resume"]`.

    Raises:
        ValueError: for an unknown key, a value of the wrong type or a value out of range, naming the key.
    """
    parser = RecipeParser(
        GROUPS, prog="train.py", usage="train.py [recipe] [key=value ...] [--key value ...]"
    )
    tokens = list(tokens)
    if {"-h", "--help"} & set(tokens):
        parser.parse_args(["--help"])
    named = bool(tokens) and not tokens[0].startswith("-") and "=" not in tokens[0]
    settings = {"recipe": _label(tokens[0])} | read_recipe(tokens.pop(0)) if named else {}
    for key, value in read_overrides(tokens):
        override(settings, key, value)
    # argparse has no way to say null or an empty list: these are set after it.
    absent = {key: None for key, value in settings.items() if value in (None, "null")}
    absent |= {key: [] for key, value in settings.items() if value in ([], "[]")}
    flags = [flag for key, value in settings.items() if key not in absent for flag in as_flags(key, value)]
    arguments = Arguments(*parser.parse_args_into_dataclasses(flags, look_for_args_file=False))
    for key, value in absent.items():
        if ("None" if value is None else "list") not in ANNOTATIONS[key]:
            raise ValueError(
                f"{key} cannot be {'null' if value is None else value}: give a value, or leave it out"
            )
        setattr(next(group for group in arguments if hasattr(group, key)), key, value)
    check_arguments(arguments)
    return arguments


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package; those in a folder have its name before theirs."""
    names = []
    for entry in _shipped().iterdir():
        inner = entry.iterdir() if entry.is_dir() else ()
        files = [entry.name, *(f"{entry.name}/{file.name}" for file in inner)]
        names += [name.removesuffix(".yaml") for name in files if name.endswith(".yaml")]
    return sorted(names)


def read_recipe(name: str, derived: tuple[str, ...] = ()) -> dict:
    """Read a recipe by its path, or by the bare name of one that ships with the package.

    A recipe with a key `base` starts from the settings of the recipe of that name; `derived` holds the
    names of those that led here.

    Raises:
        ValueError: when there is no such recipe, the file is not a mapping of known keys, or recipes are each
            other's base.
    """
    if name in derived:
        raise ValueError(f"recipe {name} is its own base, by way of {', '.join(derived)}")
    path = Path(name)
    if not path.is_file():
        bare = name.removesuffix(".yaml")
        if bare not in recipe_names():
            raise ValueError(
                f"no recipe {name!r}: give a path, or one of the shipped {', '.join(recipe_names())}"
            )
        path = _shipped().joinpath(*f"{bare}.yaml".split("/"))
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"recipe {name}: not valid YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"recipe {name}: expected lines of `key: value`, got {type(settings).__name__}")
    base = settings.pop("base", None)
    for key in settings:
        check_key(key, f"recipe {name}")
    return settings if base is None else read_recipe(base, (*derived, name)) | settings


def _label(name: str) -> str:
    """Name a recipe in the books: a file by its stem, a shipped one as it is called."""
    return Path(name).stem if Path(name).is_file() else name.removesuffix(".yaml")


def _shipped():  # a Traversable: the package may be zipped
    return resources.files("sapa_hf.scripts") / "recipes"


def read_overrides(tokens: list[str]) -> list[tuple[str, str | bool]]:
    """Read `key=value`, `--key value`, `--key=value` and bare `--key` (true), in any mixture."""
    pairs: list[tuple[str, str | bool]] = []
    flag_open = False  # whether the last flag may still take values
    for token in tokens:
        name, equals, value = token.removeprefix("--").partition("=")
        if token.startswith("--"):
            pairs.append(
                (check_key(name.replace("-", "_"), f"argument {token!r}"), value if equals else True)
            )
            flag_open = not equals
        elif equals and (not flag_open or name.partition(".")[0] in ANNOTATIONS):
            pairs.append((check_key(name, f"argument {token!r}"), value))
            flag_open = False
        elif flag_open:  # the first value of a flag, or one more of its list
            key, value = pairs.pop()
            pairs.append((key, token if value is True else f"{value} {token}"))
        else:
            raise ValueError(f"argument {token!r}: write key=value or --key value; the recipe comes first")
    return pairs


def override(settings: dict, key: str, value: str | bool) -> None:
    """Put one override on top of the settings; `key.inner` changes one entry of a mapping."""
    key, dot, inner = key.partition(".")
    if not dot:
        settings[key] = value
    elif ANNOTATIONS[key] != "Options":
        raise ValueError(f"{key} is not a mapping, so {key}.{inner} does not exist")
    else:
        settings[key] = Options(settings.get(key) or {}) | {inner: yaml.safe_load(str(value))}


def check_key(key: str, where: str) -> str:
    """Return the key, or say which ones exist.

    Raises:
        ValueError: naming the key, where it came from and the nearest valid ones.
    """
    if str(key).partition(".")[0] in ANNOTATIONS:
        return key
    near = difflib.get_close_matches(str(key), ANNOTATIONS, n=3, cutoff=0.4)
    hint = f"nearest valid keys: {', '.join(near)}" if near else f"valid keys: {', '.join(ANNOTATIONS)}"
    raise ValueError(f"{where}: unknown key {key!r}; {hint}")


def as_flags(key: str, value: object) -> list[str]:
    """Write one setting as the flags that HfArgumentParser converts and checks.

    Raises:
        ValueError: for a list, a mapping or a bare flag where one value is needed.
    """
    kind = ANNOTATIONS[key]
    if kind == "Options":
        return [f"--{key}", json.dumps(value) if isinstance(value, dict) else str(value)]
    takes_list = kind.startswith("list")
    refused = (dict,) + ((bool,) if kind != "bool" else ()) + (() if takes_list else (list,))
    if isinstance(value, refused):
        raise ValueError(f"{key} needs a value of type {kind.removesuffix(' | None')}, got {value!r}")
    if takes_list:
        items = value if isinstance(value, list) else re.split(r"[\s,]+", str(value).strip("[] "))
        return [f"--{key}", *map(str, items)]
    return [f"--{key}={value}"]


def as_settings(arguments: Arguments) -> dict:
    """Flatten the arguments of a run into the keys of a recipe."""
    settings = {key: value for group in arguments for key, value in vars(group).items()}
    return {key: dict(value) if isinstance(value, Options) else value for key, value in settings.items()}


def write_recipe(arguments: Arguments, path: Path) -> None:
    """Write all settings of a run, so that the file alone repeats it."""
    path.write_text(yaml.safe_dump(as_settings(arguments), sort_keys=False), encoding="utf-8")
