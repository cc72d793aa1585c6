"""Recipes: YAML files of settings, which may start from another recipe."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from sapa_hf.atomic_write import atomic_write

from .overrides import assign, check_key
from .typed import Dumper, Loader, show


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package; those in a folder have its name before theirs."""
    names = []
    for entry in _shipped().iterdir():
        inner = entry.iterdir() if entry.is_dir() else ()
        files = [entry.name, *(f"{entry.name}/{file.name}" for file in inner)]
        names += [name.removesuffix(".yaml") for name in files if name.endswith(".yaml")]
    return sorted(names)


def recipe_label(name: str) -> str:
    """Name a recipe in the books: a file by its stem, a shipped one as it is called."""
    return Path(name).stem if Path(name).is_file() else name.removesuffix(".yaml")


def read_recipe(name: str, derived: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read a recipe by its path, or by the bare name of one that ships with the package.

    A recipe with a key `base` starts from the settings of the recipe of that name, and may change one entry
    of a mapping there: `model_config.depths: [1, 1, 1, 1]`. `derived` holds the names of those that led here.

    Raises:
        ValueError: when there is no such recipe, the file is not a mapping of known keys, or recipes are each
            other's base.
    """
    if name in derived:
        raise ValueError(f"recipe {name} is its own base, by way of {', '.join(derived)}")
    own = _read_file(name)
    base = own.pop("base", None)
    if base is not None and not isinstance(base, str):
        raise ValueError(f"recipe {name}: `base` must be the name of a recipe, got {show(base)}")
    settings = {} if base is None else read_recipe(base, (*derived, name))
    for key, value in own.items():
        assign(settings, check_key(key, f"recipe {name}"), value)
    return settings


def write_recipe(settings: Mapping[str, Any], path: Path) -> None:
    """Write the settings of a run, so that the file alone repeats it."""
    with atomic_write(path) as partial:
        text = yaml.dump(dict(settings), Dumper=Dumper, sort_keys=False, allow_unicode=True)
        partial.write_text(text, encoding="utf-8")


def _read_file(name: str) -> dict:
    """Read the lines of one recipe."""
    path = Path(name)
    if not path.is_file():
        bare = name.removesuffix(".yaml")
        if bare not in recipe_names():
            raise ValueError(
                f"no recipe {name!r}: give a path, or one of the shipped {', '.join(recipe_names())}"
            )
        path = _shipped().joinpath(*f"{bare}.yaml".split("/"))
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe {name}: not valid YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"recipe {name} must hold lines of `key: value`, got {show(settings)[:80]}")
    return settings


def _shipped():  # a Traversable: the package may be zipped
    return resources.files("sapa_hf.scripts") / "recipes"
