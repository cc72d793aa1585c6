"""Metrics as `evaluate` modules, each in a folder that evaluate.load takes by path."""

import sys
from importlib.util import find_spec
from pathlib import Path

# `python scripts/train.py` puts scripts/ first on the path, where scripts/evaluate.py hides the library of
# that name. The scripts import each other as sapa_hf.scripts, so the entry is not needed.
_SCRIPTS = [Path(folder).resolve() for folder in find_spec("sapa_hf.scripts").submodule_search_locations]
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() not in _SCRIPTS]

import evaluate  # noqa: E402


def load_metric(name: str, **options) -> evaluate.Metric:
    """Load one of the metrics that lie beside this file; nothing is downloaded.

    Args:
        name: folder name of the metric, such as "mean_iou" or "boundary_iou".
        options: constructor options of the metric, such as `ignore_index` of "boundary_iou".

    Raises:
        ValueError: there is no metric of this name.
    """
    folder = Path(__file__).parent
    known = sorted(entry.name for entry in folder.iterdir() if (entry / f"{entry.name}.py").is_file())
    if name not in known:
        raise ValueError(f"no metric is called {name!r}; choose one of {', '.join(known)}")
    return evaluate.load(str(folder / name), **options)


__all__ = ["load_metric"]
