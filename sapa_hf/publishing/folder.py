"""Assembling a folder that the Hub can host: weights, config, code, processor, results, card."""

import json
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.evaluation.results import describe_model
from sapa_hf.evaluation.results_schema import SCHEMA, check_results

from ..load import load_model, load_processor
from ..model_folder import find_folder, read_config
from ..tasks.photo_input import ROUNDED
from .card import write_card
from .family import family_of
from .licence import licence_for
from .manifest import replace_files
from .picture import write_picture
from .redaction import redact
from .sources import RESULTS, base_of, dataset_id

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
PROSE = ("per_class", "hardware", "versions")  # where "door/window" is not a path


def assemble_folder(
    source: str | Path,
    output: str | Path,
    results: Mapping | None = None,
    repo_id: str | None = None,
    base_model: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write everything that a published model needs into one folder, and the list of what was written.

    The folder is complete or left as it was. Nothing in it tells of this machine's folders; see `redact`.

    Args:
        source: A model folder with its processor.
        output: Where to; a new or empty folder unless `overwrite`.
        results: The results file of these very weights, see `find_results`.
        repo_id: "owner/name" it is meant for.
        base_model: What the training started from, "scratch" if nothing; by default what results record.
        overwrite: Replace what an earlier publishing wrote; what else lies in the folder stays.

    Returns:
        `output`.

    Raises:
        FileNotFoundError: A part of the model is missing.
        ValueError: The model is not complete, the results are another model's, or the folder is taken.
    """
    source, output = Path(source), Path(output)
    _check_output(source, output, overwrite)
    family_of(read_config(find_folder(source)))
    model = load_model(source, dtype="auto")  # published as it was stored
    base_model = base_model or base_of(results)
    if results is not None:
        check_results(results, RESULTS)
        _check_measured(results, model)
        results = publishable(results)
    if not (source / PROCESSOR).is_file():
        raise FileNotFoundError(
            f"{source / PROCESSOR} does not exist: save the image processor beside the model."
        )
    processor = load_processor(source)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".publishing-", dir=output) as partial:
        _write_model(Path(partial), model, processor)
        (Path(partial) / "LICENSE").write_text(licence_for(base_model).text + "\n", encoding="utf-8")
        if results is not None:
            _write_json(Path(partial) / RESULTS, results)
            write_picture(Path(partial), results)
        write_card(partial, model, results, repo_id, base_model, name=output.resolve().name)
        replace_files(partial, output)
    return output


def publishable(results: Mapping) -> dict:
    """Give what is published of a results file: the keys that the schema names, without local paths."""
    keep = {name for name in (base_of(results), dataset_id(results)) if name}
    return {
        key: redact(value, keep, relative=key not in PROSE) for key, value in results.items() if key in SCHEMA
    }


def _write_model(folder: Path, model: PreTrainedModel, processor: BaseImageProcessor) -> None:
    """Write weights, code, config and processor, the last two without fields that nobody reads."""
    model.save_pretrained(folder)  # also the code, and auto_map in the config
    processor.save_pretrained(folder)
    config, known = type(model.config), {"architectures", "auto_map", "dtype", "transformers_version"}
    _keep_fields(folder / CONFIG, known | config().to_dict().keys() - {"_name_or_path"})
    known = type(processor)().to_dict().keys() | processor.valid_kwargs.__annotations__.keys()
    _keep_fields(folder / PROCESSOR, known | {"image_processor_type", ROUNDED})


def _keep_fields(path: Path, known: Collection[str]) -> None:
    fields = json.loads(path.read_text(encoding="utf-8"))
    _write_json(path, redact({key: fields[key] for key in fields if key in known}, relative=False))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _check_output(source: Path, output: Path, overwrite: bool) -> None:
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file: choose a folder.")
    if output.resolve() == source.resolve():
        raise ValueError(f"{output} is the model folder itself: publish into another one.")
    if output.is_dir() and any(output.iterdir()) and not overwrite:
        raise ValueError(
            f"{output} is not empty: choose another folder, or replace its files with --overwrite."
        )


def _check_measured(results: Mapping, model: PreTrainedModel) -> None:
    given, needed = results["model"], describe_model(model)
    wrong = [
        f"{key} is {given.get(key)!r}, the model's is {needed[key]!r}"
        for key in needed
        if given.get(key) != needed[key]
    ]
    if wrong:
        raise ValueError(f"The results file is another model's: {'; '.join(wrong)}.")
