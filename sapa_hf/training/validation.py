"""Values a run refuses before it starts, each with what is needed."""

from __future__ import annotations

from sapa_hf.modeling.upsampler import check_config

from .arguments import FIELDS, Arguments


def check_arguments(arguments: Arguments) -> None:
    """Refuse values that no run can use.

    Raises:
        TypeError: an option of the upsampler has the wrong type.
        ValueError: naming the key, what must be and what was given.
    """
    for group in arguments.groups:
        for key, value in vars(group).items():
            rule = FIELDS[key].metadata["rule"]
            if rule is not None and value is not None and not rule.accepts(value):
                raise ValueError(f"`{key}` must be {rule.needed}, got {value!r}")
    check_config(arguments.model)
    short, longest = arguments.evaluation.eval_short_side, arguments.evaluation.eval_max_side
    if short is not None and short > longest:
        raise ValueError(
            f"`eval_short_side` must be at most `eval_max_side`, {longest}, got {short}: lower one or raise "
            "the other"
        )
    if arguments.run.resume and arguments.run.overwrite:
        raise ValueError(
            "`resume` and `overwrite` contradict each other: one keeps an earlier run, the other deletes it"
        )


def check_task(arguments: Arguments, name: str, keys: frozenset[str], readers: dict[str, list[str]]) -> None:
    """Refuse keys that were given but that the chosen task does not read.

    Args:
        arguments: Of the run.
        name: The task.
        keys: The settings that it reads among those that not all tasks do.
        readers: For each such setting, the names of the tasks that read it.

    Raises:
        ValueError: naming the keys and the tasks that read them.
    """
    unread = [key for key in FIELDS if FIELDS[key].metadata["by_task"] and key in arguments.given - keys]
    if unread:
        apply = [
            f"`{key}` applies only to {' and '.join(readers.get(key, ())) or 'no task'}" for key in unread
        ]
        raise ValueError(f"{', '.join(apply)}; the task is {name}: leave it out.")
