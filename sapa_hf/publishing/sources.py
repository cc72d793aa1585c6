"""What is published and where it came from: a run's model, its results, and the ids they name on the Hub."""

import re
from collections.abc import Mapping
from pathlib import Path

from sapa_hf.evaluation.results import read_results

from ..load import load_model
from ..model_folder import HUB_ID
from ..provenance import weights_digest
from .redaction import last_name

RESULTS = "results.json"
SCRATCH = "scratch"
# What the recipes start from. Any other "owner/name" is taken for a Hub id only beside a revision.
KNOWN_BASES = re.compile(
    r"nvidia/(mit|segformer)-[\w.-]+|microsoft/resnet-[\w.-]+|vinvino02/glpn-[\w.-]+", re.ASCII
)


def find_model(run: str | Path, model: str = "best") -> Path:
    """Find a model folder: "best" or "last" of a run, or a folder of its own.

    Raises:
        FileNotFoundError: It does not exist.
    """
    folder = Path(run) / model if model in ("best", "last") else Path(model)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"{folder} is not a model folder: it has no config.json. Has the run finished?"
        )
    return folder


def find_results(run: str | Path, model: str = "best") -> dict | None:
    """Read the results that measured a model's weights, if there are any.

    A run scores its best weights; its last ones are measured only if they are the same. For a folder its own
    results.json counts. Results without a digest of the weights are never offered.

    Raises:
        ValueError: The results file is damaged, or the model's weights are; see `load_model`.
    """
    results = recorded_results(run, model)
    measured = results and results["model"].get("weights")
    if not measured or measured != weights_digest(load_model(find_model(run, model))):
        return None
    return results


def recorded_results(run: str | Path, model: str = "best") -> dict | None:
    """Read the results file beside a model, whatever weights it measured; None where there is none."""
    path = (Path(run) if model in ("best", "last") else Path(model)) / RESULTS
    return read_results(path) if path.is_file() else None


def recorded_base(run: str | Path, model: str = "best") -> str | None:
    """Read what a model's training started from; see `base_of`.

    A run records it for its last weights too, which its results may not have measured.
    """
    return base_of(recorded_results(run, model))


def base_of(results: Mapping | None) -> str | None:
    """Say what a training started from: "scratch", an id on the Hub, or "./name" of a local folder.

    None where it is not recorded. A recorded "owner/name" may have been a folder of the machine that trained,
    so it counts as an id only if a revision was given with it or a recipe of this project starts from it.
    """
    settings = (results or {}).get("training", {}).get("settings", {})
    if "checkpoint" not in settings:
        return None
    name = settings["checkpoint"]
    if not name:
        return SCRATCH
    trusted = settings.get("checkpoint_revision") or KNOWN_BASES.fullmatch(name)
    return name if trusted and is_hub_id(name) else f"./{last_name('./' + name)}"


def dataset_id(results: Mapping) -> str | None:
    """Give the data set's id on the Hub: only a path that was read at a revision is one."""
    dataset = results["dataset"]
    path = dataset["path"]
    return path if path and dataset["revision"] and is_hub_id(path) else None


def is_hub_id(name: str) -> bool:
    """Tell whether a name is "owner/name" on the Hub and nothing on this disk."""
    return bool(HUB_ID.fullmatch(name)) and not Path(name).exists()
