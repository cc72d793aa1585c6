"""Assembling a folder that the Hub can host: weights, config, code, processor, results and card."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from transformers import AutoImageProcessor

from sapa_hf.evaluation.results import describe_model, read_results

from ..provenance import weights_digest
from .card import write_card
from .licence import SCRATCH, licence_for
from .strict import load_strict

RESULTS, PROCESSOR = "results.json", "preprocessor_config.json"


def assemble_folder(
    source: str | Path,
    output: str | Path,
    results: Mapping | None = None,
    repo_id: str | None = None,
    base_model: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write everything that a published model needs into one folder.

    Args:
        source: A model folder with its processor.
        output: Where to; a new or empty folder unless `overwrite`.
        results: The results file of these very weights, see `find_results`.
        repo_id: "owner/name" it is meant for.
        base_model: What the training started from, "scratch" if nothing; by default what results record.
        overwrite: Write over an earlier folder's files; what else lies there stays.

    Raises:
        FileNotFoundError: A part of the model is missing.
        ValueError: The model is not whole, the results are another model's, or the folder is taken.
    """
    source, output = Path(source), Path(output)
    _check_output(source, output, overwrite)
    model = load_strict(source)
    if results is not None:
        _check_results(results, model)
    if not (source / PROCESSOR).is_file():
        raise FileNotFoundError(
            f"{source / PROCESSOR} does not exist: save the image processor beside the model."
        )
    processor = AutoImageProcessor.from_pretrained(source, trust_remote_code=False)

    model.save_pretrained(output)  # weights, config with auto_map, and the code
    processor.save_pretrained(output)
    base_model = base_model or _base(results)
    (output / "LICENSE").write_text(licence_for(base_model).text + "\n", encoding="utf-8")
    if results is None:
        (output / RESULTS).unlink(missing_ok=True)  # an earlier model's
    else:
        text = json.dumps(without_local_paths(results), indent=2)
        (output / RESULTS).write_text(text + "\n", encoding="utf-8")
    write_card(output, model, results, repo_id, base_model)
    return output


def find_model(run: str | Path, model: str = "best") -> Path:
    """Find a model folder: "best" or "last" of a run, or a folder of its own.

    Raises:
        FileNotFoundError: It does not exist.
    """
    folder = Path(run) / model if model in ("best", "last") else Path(model)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} is no model folder: it has no config.json. Has the run finished?")
    return folder


def find_results(run: str | Path, model: str = "best") -> dict | None:
    """Read the results that measured a model's weights, if there are any.

    A run scores its best weights; its last ones are measured only if they are the same. For a folder its own
    results.json counts. Results without a digest of the weights are never offered.
    """
    results = _results_of(run, model)
    measured = results and results["model"].get("weights")
    if not measured or measured != weights_digest(load_strict(find_model(run, model))):
        return None
    return results


def recorded_base(run: str | Path, model: str = "best") -> str | None:
    """Read what a model's training started from, "scratch" if nothing; None where it is not recorded.

    A run records it for its last weights too, which its results may not have measured.
    """
    return _base(_results_of(run, model))


def without_local_paths(value: Any) -> Any:
    """Shorten absolute paths to their last name: what is published tells nothing of the machine's folders."""
    if isinstance(value, Mapping):
        return {key: without_local_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_local_paths(item) for item in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _results_of(run: str | Path, model: str) -> dict | None:
    path = (Path(run) if model in ("best", "last") else Path(model)) / RESULTS
    return read_results(path) if path.is_file() else None


def _base(results: Mapping | None) -> str | None:
    settings = (results or {}).get("training", {}).get("settings", {})
    return (settings["checkpoint"] or SCRATCH) if "checkpoint" in settings else None


def _check_output(source: Path, output: Path, overwrite: bool) -> None:
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file: choose a folder.")
    if output.resolve() == source.resolve():
        raise ValueError(f"{output} is the model folder itself: publish into another one.")
    if output.is_dir() and any(output.iterdir()) and not overwrite:
        raise ValueError(f"{output} is not empty: choose another folder, or write over it with --overwrite.")


def _check_results(results: Mapping, model) -> None:
    given, needed = results["model"], describe_model(model)
    wrong = [
        f"{key} is {given.get(key)!r}, the model's is {needed[key]!r}"
        for key in needed
        if given.get(key) != needed[key]
    ]
    if wrong:
        raise ValueError(f"The results file is another model's: {'; '.join(wrong)}.")
