"""The tasks by name, and the task of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .architecture import Architecture
from .base import Task

TASKS: dict[str, type[Task]] = {}


def register_task(task: type[Task]) -> type[Task]:
    """Make a task known under its name; a decorator of its class."""
    TASKS[task.name] = task
    return task


def task_named(name: str) -> type[Task]:
    """Find a task by the Hub's name for it.

    Raises:
        ValueError: there is no such task.
    """
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(sorted(TASKS))}, got {name!r}")
    return TASKS[name]


def task_of(architectures: Sequence[str] | None, name: str = "the model") -> type[Task]:
    """Find the task of a model by the name of its class; arguments and errors are `auto_class_of`'s."""
    return _found(architectures, name)[0]


def auto_class_of(architectures: Sequence[str] | None, name: str = "the model") -> type:
    """Find transformers' Auto class of a model by the name of its class.

    Args:
        architectures: names of classes as config.json has them, such as ["SegformerForSemanticSegmentation"].
        name: what an error calls the model.

    Raises:
        ValueError: none of them belongs to a known task.
    """
    return _found(architectures, name)[1]


def _found(architectures: Sequence[str] | None, name: str) -> tuple[type[Task], type]:
    endings = {
        auto_class.__name__.removeprefix("AutoModel"): (task, auto_class)
        for task in TASKS.values()
        for auto_class in task.auto_classes
    }
    for architecture in architectures if isinstance(architectures, (list, tuple)) else ():
        for ending, found in endings.items():
            if isinstance(architecture, str) and architecture.endswith(ending):
                return found
    raise ValueError(
        f"the architectures of {name} are {architectures}, but one of *{', *'.join(endings)} is needed: "
        "give a model that was saved with its task's head"
    )


def known_architectures() -> Iterator[tuple[type[Task], Architecture]]:
    """Go through every architecture of every task."""
    for task in TASKS.values():
        for architecture in task.architectures.values():
            yield task, architecture


def task_options(kind: str) -> dict[str, dict[str, Any]]:
    """Gather what the tasks offer on a command line.

    Args:
        kind: "views", how a photo is looked at; "scoring", what is counted; or "predicting", what only a
            prediction of files needs.

    Returns:
        Option -> the arguments of argparse's `add_argument`; the help names the tasks that have it.
    """
    offered: dict[str, dict[str, Any]] = {}
    for task in TASKS.values():
        for option, how in getattr(task, kind).items():
            having = [other.name for other in TASKS.values() if option in getattr(other, kind)]
            only = "" if len(having) == len(TASKS) else f"{', '.join(having)}: "
            offered[option] = how | {"help": only + how["help"]}
    return offered


def check_options(task: type[Task], options: Mapping[str, Any], model: str) -> None:
    """Refuse options that a task does not have, rather than leave them out in silence.

    Args:
        task: the task.
        options: by name, as `task_options` lists them.
        model: what an error calls the model.

    Raises:
        ValueError: naming the option and the tasks that have it.
    """
    for option in options:
        if option not in _all_options(task):
            having = [other.name for other in TASKS.values() if option in _all_options(other)]
            raise ValueError(
                f"`{option}` applies only to {' and '.join(having) or 'no task'}; the task of {model} is "
                f"{task.name}: leave it out"
            )


def _all_options(task: type[Task]) -> dict[str, Mapping[str, Any]]:
    return {**task.views, **task.scoring, **task.predicting}
