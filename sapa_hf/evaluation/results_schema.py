"""What a results file holds, and the check that a file holds it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

MEGABYTES = 32
LONGEST, DEEPEST = 4_000, 12  # characters of a text; objects and lists inside each other
LARGEST = 1e20  # a seed may have 64 bits


@dataclass(frozen=True)
class Kind:
    """What a value must be.

    Attributes:
        words: How a message says it.
        holds: Whether a value is that.
        optional: Whether the key may be missing.
    """

    words: str
    holds: Callable[[Any], bool]
    optional: bool = False

    def or_missing(self) -> "Kind":
        """The same, for a key that may be missing."""
        return Kind(self.words, self.holds, optional=True)

    def or_null(self) -> "Kind":
        """The same, or null."""
        return Kind(f"{self.words} or null", lambda value: value is None or self.holds(value), self.optional)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


TEXT = Kind("text", lambda value: isinstance(value, str))
WHOLE = Kind("a whole number", _is_whole)
COUNT = Kind("a whole number from 0", lambda value: _is_whole(value) and value >= 0)
NUMBER = Kind("a number", _is_number).or_null()  # null where it is not defined
SHARE = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1 + 1e-6).or_null()
OBJECT = Kind("an object", lambda value: isinstance(value, dict))

SHARES = ("mean_iou", "boundary_iou", "mean_accuracy", "overall_accuracy", "delta1", "delta2", "delta3")
ROW = {
    "id": COUNT,
    "name": TEXT.or_missing(),
    "iou": SHARE.or_missing(),
    "boundary_iou": SHARE.or_missing(),
    "accuracy": SHARE.or_missing(),
    "pixels": COUNT.or_missing(),
}
SCHEMA = {  # key -> what it must be, or the keys beneath it
    "task": TEXT,
    "dataset": {
        "name": TEXT,
        "path": TEXT.or_null(),
        "split": TEXT,
        "revision": TEXT.or_null(),
        "images": COUNT,
    },
    "metrics": OBJECT,
    "per_class": Kind("a list", lambda value: isinstance(value, list)),
    "model": {
        "architecture": TEXT,
        "upsampler": TEXT.or_null(),
        "upsampler_options": OBJECT,
        "parameters": COUNT,
        "weights": TEXT.or_missing(),  # files from before the digest
    },
    "training": {
        **dict.fromkeys(("steps", "best_step", "batch"), COUNT.or_null().or_missing()),
        "seed": WHOLE.or_null().or_missing(),
        "recipe": TEXT.or_null().or_missing(),
        "settings": OBJECT.or_missing(),
    },
    "evaluation": OBJECT.or_missing(),
    "checkpoint": OBJECT.or_missing(),
    "commit": TEXT.or_null(),
    "versions": {
        **dict.fromkeys(("python", "torch", "transformers"), TEXT),
        **dict.fromkeys(("datasets", "accelerate", "sapa_hf"), TEXT.or_null()),
    },
    "hardware": TEXT,
    "date": Kind("a date such as 2026-01-31T12:00:00+00:00", _is_date),
}


def parse_results(path: str | Path) -> Any:
    """Read strict JSON: no key twice, no NaN or infinity, no more than a results file may hold.

    Raises:
        ValueError: It is something else.
    """
    path = Path(path)
    if path.stat().st_size > MEGABYTES * 2**20:
        raise ValueError(f"{path} is not a results file: it is larger than {MEGABYTES} MB")
    try:
        return json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a results file: {error}") from error


def check_results(results: Any, name: str) -> None:
    """Make sure that everything the schema names is there and is what it must be.

    Args:
        results: What the file holds.
        name: How a message calls the file.

    Raises:
        ValueError: It is not; the message names the key.
    """
    _check_values(results, name, "the file", 0)
    _check_object(results, SCHEMA, name, "")
    for key, value in results["metrics"].items():
        _check_kind(value, SHARE if key in SHARES else NUMBER, name, f"metrics.{key}")
    for place, row in enumerate(results["per_class"]):
        _check_object(row, ROW, name, f"per_class[{place}].")
    settings = results["training"].get("settings", {})
    for key in ("checkpoint", "checkpoint_revision"):
        _check_kind(settings.get(key), TEXT.or_null(), name, f"training.settings.{key}")


def _check_object(value: Any, schema: Mapping, name: str, prefix: str) -> None:
    """Check the keys of an object that the schema names."""
    if not isinstance(value, dict):
        where = f"'{prefix.rstrip('.')}'" if prefix else "the file"
        raise ValueError(f"{name}: {where} must be an object, got {_shown(value)}")
    for key, expected in schema.items():
        where = f"{prefix}{key}"
        if key not in value:
            if not (isinstance(expected, Kind) and expected.optional):
                raise ValueError(f"{name}: the key '{where}' is missing; write the file with write_results")
        elif isinstance(expected, Kind):
            _check_kind(value[key], expected, name, where)
        else:
            _check_object(value[key], expected, name, f"{where}.")


def _check_kind(value: Any, kind: Kind, name: str, where: str) -> None:
    if not kind.holds(value):
        raise ValueError(f"{name}: '{where}' must be {kind.words}, got {_shown(value)}")


def _check_values(value: Any, name: str, where: str, depth: int) -> None:
    """Refuse texts, numbers and nesting beyond what a results file needs, wherever they stand."""
    if depth > DEEPEST:
        raise ValueError(f"{name}: '{where}' is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        for key, item in value.items():
            shown = _shown(key)[1:-1]
            _check_values(key, name, f"a key beside '{shown}'", depth)
            _check_values(item, name, shown if depth == 0 else f"{where}.{shown}", depth + 1)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check_values(item, name, f"{where}[{place}]", depth + 1)
    elif isinstance(value, str) and len(value) > LONGEST:
        raise ValueError(f"{name}: '{where}' must have at most {LONGEST} characters, got {len(value)}")
    elif _is_number(value) and not abs(value) <= LARGEST:  # nan is not either
        raise ValueError(f"{name}: '{where}' must be a finite number up to {LARGEST:g}, got {_shown(value)}")


def _object(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {_shown(twice)} stands there twice")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number in JSON; a figure that is not defined is null")


def _shown(value: Any, limit: int = 60) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # such as an integer of too many digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else f"{text[:limit]}..."
