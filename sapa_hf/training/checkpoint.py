"""Checkpoints that are either whole or ignored, and that continue a run bit for bit."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors.torch import load_model
from torch.nn.parallel import DistributedDataParallel

from .randomness import check_randomness_restored, random_state_file

logger = logging.getLogger(__name__)

STATE_FILE = "state.json"  # written last; lists every other file with its size


@dataclass
class Progress:
    """How far a run has come: everything that is neither weights, optimizer, schedule nor random state."""

    step: int = 0
    samples_seen: int = 0
    best_metric: float | None = None
    best_step: int | None = None
    skipped_samples: int = 0  # unreadable rows that another one stood in for
    ignored_steps: int = 0  # steps without one valid pixel, which changed no weight
    window_loss: float = 0.0  # sum of the losses since the last line of the log
    window_steps: int = 0


class Checkpoints:
    """The checkpoints of a run, `step-00000100` and so on, in one folder.

    Args:
        folder: where they are; shared by all ranks.
        keep: how many to keep.
        accelerator: after `prepare`, with the schedule registered.
        origin: what a bitwise continuation depends on (batch size, world size, data ...), stored beside the
            progress and compared when a checkpoint is loaded.
    """

    def __init__(self, folder: Path, keep: int, accelerator: Accelerator, origin: dict):
        self.folder, self.keep, self.accelerator, self.origin = folder, keep, accelerator, origin
        accelerator.register_save_state_pre_hook(_save_plain_names)
        accelerator.register_load_state_pre_hook(_load_plain_names)

    def latest(self) -> Path | None:
        """The newest whole checkpoint; half-written ones are named in a warning and passed over."""
        for path in sorted(self.folder.glob("step-*"), reverse=True):
            if is_whole(path):
                return path
            logger.warning("ignored the half-written checkpoint %s", path)
        return None

    def _prune(self) -> None:
        """Delete half-written checkpoints, and all but the newest whole ones."""
        whole = sorted(path for path in self.folder.glob("step-*") if is_whole(path))
        for path in self.folder.glob("step-*"):
            if path not in whole[-self.keep :]:
                shutil.rmtree(path)

    def save(self, progress: Progress) -> Path:
        """Write a checkpoint into a temporary folder, rename it when it is whole, and delete the oldest.

        All ranks call this.
        """
        path = self.folder / f"step-{progress.step:08d}"
        partial = path.with_name(path.name + ".partial")
        if self.accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(partial))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            files = {
                str(file.relative_to(partial)): file.stat().st_size
                for file in partial.rglob("*")
                if file.is_file()
            }
            state = {"progress": asdict(progress), "origin": self.origin, "files": files}
            (partial / STATE_FILE).write_text(json.dumps(state, indent=1), encoding="utf-8")
            replace_folder(partial, path)
            self._prune()
        self.accelerator.wait_for_everyone()
        return path

    def load(self, path: Path) -> Progress:
        """Restore weights, optimizer, schedule and random state, and return the progress.

        All ranks call this.

        Raises:
            ValueError: when the random state is missing or does not load.
        """
        state = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
        progress, before = Progress(**state["progress"]), state["origin"]
        for key in sorted(set(before) | set(self.origin)):
            old, new = before.get(key), self.origin.get(key)
            if old != new:
                logger.warning(
                    "%s was %r before and is %r now: the resumed run is another one", key, old, new
                )
        rank = self.accelerator.process_index
        same_world = before.get("world_size") == self.accelerator.num_processes
        if same_world and not (path / random_state_file(rank)).is_file():
            raise ValueError(f"{path} lacks {random_state_file(rank)}: resume from an older checkpoint")
        self.accelerator.load_state(str(path))
        if same_world:
            check_randomness_restored(path, rank)
        else:  # no rank has a past to go on from
            set_seed(self.origin["seed"] + progress.step, device_specific=True)
        return progress


def is_whole(path: Path) -> bool:
    """Whether a checkpoint has all its files at the sizes they were written with."""
    try:
        files = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))["files"]
        return not path.name.endswith(".partial") and all(
            (path / name).stat().st_size == size for name, size in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def replace_folder(new: Path, path: Path) -> None:
    """Rename a finished folder to its place, where an older one may be."""
    if path.exists():
        old = path.with_name(path.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        new.rename(path)
        shutil.rmtree(old)
    else:
        new.rename(path)


def _save_plain_names(models: list, weights: list[dict], folder: str) -> None:
    """Drop the prefix of DistributedDataParallel, so that any number of processes can load the checkpoint."""
    for index, state in enumerate(weights):
        weights[index] = {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _load_plain_names(models: list, folder: str) -> None:
    """Load weights saved under plain names into a DistributedDataParallel model, in accelerate's stead."""
    if models and isinstance(models[0], DistributedDataParallel):
        load_model(models.pop(0).module, str(Path(folder) / "model.safetensors"))
