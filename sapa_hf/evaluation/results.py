"""The results file: one measured evaluation with all that is needed to know what was measured."""

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from torch import nn

from ..atomic_write import atomic_write
from ..provenance import hardware, source_commit, versions, weights_digest
from ..tasks import task_of
from .results_schema import check_results, parse_results


def write_results(
    path: str | Path, metrics: Mapping[str, Any], model: nn.Module, spec, extra: Mapping[str, Any]
) -> dict:
    """Write what an evaluation measured, with the model, the data set, the versions and the machine.

    Args:
        path: the JSON file.
        metrics: results of an evaluation: numbers, `images`, and optionally `per_class`.
        model: the evaluated model, a PreTrainedModel.
        spec: the DatasetSpec of the evaluated data set.
        extra: `split` (needed), `task`, `training` (dict: steps, batch, seed, recipe, ...), and whatever
            else belongs to the run, such as `evaluation` (dict of its options).

    Returns:
        What was written.

    Raises:
        ValueError: a needed key is missing or has the wrong type.
    """
    extra = dict(extra)
    metrics = dict(metrics)
    results = {
        "task": extra.pop("task", None) or task_of([type(model).__name__]).name,
        "dataset": {
            "name": spec.name,
            "path": None if spec.path is None else str(spec.path),
            "split": extra.pop("split", None),
            "revision": spec.revision,
            "images": metrics.pop("images", None),
        },
        "per_class": metrics.pop("per_class", []),
        "metrics": metrics,
        "model": describe_model(model),
        "training": extra.pop("training", {}),
        "commit": source_commit(),
        "versions": versions(),
        "hardware": hardware(next(model.parameters()).device),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    results = _plain(results | extra)
    check_results(results, "these results")
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return results


def read_results(path: str | Path) -> dict:
    """Read a results file.

    Raises:
        ValueError: it is not JSON, or a key is missing or has the wrong type; the message names it.
    """
    results = parse_results(path)
    check_results(results, str(path))
    return results


def describe_model(model: nn.Module) -> dict:
    """Name a model's architecture, upsampler and its options, count its parameters and digest its weights."""
    config = model.config
    options = {
        name.removeprefix("upsampler_"): value
        for name, value in config.to_dict().items()
        if name.startswith("upsampler_")
    }
    return {
        "architecture": type(model).__name__,
        "upsampler": getattr(config, "upsampler", None),
        "upsampler_options": options,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights": weights_digest(model),
    }


def _plain(value: Any) -> Any:
    """Turn a value into what JSON holds: numbers of numpy into Python's, nan and infinity into null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
