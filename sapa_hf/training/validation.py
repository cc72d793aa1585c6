"""Values a run refuses before it starts, each with what is needed."""

from __future__ import annotations

from sapa_hf.modeling.upsampler_config import check_fields

from .arguments import ABOUT, Arguments


def check_arguments(arguments: Arguments) -> None:
    """Refuse values that no run can use.

    Raises:
        TypeError: an option of the upsampler has the wrong type.
        ValueError: naming the key, what must be and what was given.
    """
    for group in arguments.groups:
        for key, value in vars(group).items():
            rule = ABOUT[key]["rule"]
            if rule is not None and value is not None and not rule.accepts(value):
                raise ValueError(f"`{key}` must be {rule.needed}, got {value!r}")
    check_fields(arguments.model)
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
