"""One setting of a run, and what is known about it: its meaning, its range, and what it affects."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import field
from typing import Any, Literal, NamedTuple


class Rule(NamedTuple):
    """Which values of the right type are allowed.

    Attributes:
        accepts: Whether a value is.
        needed: Finishes "must be".
    """

    accepts: Callable[[Any], bool]
    needed: str


POSITIVE = Rule(lambda value: 0 < value < float("inf"), "a number above 0")
AT_LEAST_0 = Rule(lambda value: 0 <= value < float("inf"), "a number that is not negative")
UNSAID = {"rule": None, "affects": "weights", "by_task": False, "once": False}  # of a plain field
SHARE = Rule(lambda value: 0 <= value <= 1, "a number from 0 to 1")


def setting(
    default: Any,
    help: str,
    rule: Rule | None = None,
    *,
    affects: Literal["weights", "results", "nothing"] = "weights",
    by_task: bool = False,
    once: bool = False,
) -> Any:
    """Describe a field of a group of settings.

    Args:
        default: Its value where none is given; a list or mapping is copied.
        help: Its meaning, for `--help`.
        rule: Its range; null is always allowed where the type allows it.
        affects: What depends on it. A resumed run may change what leaves the weights alone; runs that differ
            in what affects nothing (a place, a log, the speed) can be compared.
        by_task: True where a task reads it only if its `keys` hold it.
        once: True for an instruction to one start of a run, which the run's own recipe does not repeat.
    """
    metadata = {"help": help, "rule": rule, "affects": affects, "by_task": by_task, "once": once}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)
