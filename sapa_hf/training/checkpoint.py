"""Checkpoints that are intact or passed over, and that continue a run bit for bit."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from safetensors.torch import load_model
from torch.nn.parallel import DistributedDataParallel

from sapa_hf.atomic_write import atomic_write, replace_folder, temporary_path
from sapa_hf.provenance import file_digest

from .randomness import check_randomness_restored, random_state_file

logger = logging.getLogger(__name__)

STATE_FILE = "state.json"  # written last; lists every other file with its digest, and holds its own
_NAME = re.compile(r"step-(\d{8,})")


@dataclass
class Progress:
    """How far a run has come: everything that is neither weights, optimizer, schedule nor random state."""

    step: int = 0
    samples_seen: int = 0
    evaluated_step: int = 0  # the last step whose evaluation is finished
    best_metric: float | None = None
    best_step: int | None = None
    best_weights: str | None = None  # digest of the files in best/
    skipped_samples: int = 0  # unreadable rows that another one stood in for
    ignored_steps: int = 0  # steps without one valid pixel, which changed no weight
    window_loss: float = 0.0  # sum of the losses since the last line of the log
    window_steps: int = 0


class Checkpoints:
    """The checkpoints of a run, `step-00000100` and so on, in one folder; all ranks call its methods.

    Args:
        folder: where they are; shared by all ranks.
        keep: how many to keep.
        accelerator: after `prepare`, with the schedule registered.
        origin: what a bitwise continuation depends on (batch size, world size, data ...), stored beside the
            progress and compared when a checkpoint is loaded.
    """

    def __init__(self, folder: Path, keep: int, accelerator: Accelerator, origin: dict):
        self.folder, self.keep, self.accelerator = folder, keep, accelerator
        self.origin = as_json(origin)
        accelerator.register_save_state_pre_hook(_save_plain_weights)
        accelerator.register_load_state_pre_hook(_load_plain_names)

    def latest(self) -> Path | None:
        """Find the newest intact checkpoint; damaged ones are named in a warning and passed over.

        Raises:
            ValueError: there are checkpoints, but none is intact.
        """
        found, error = from_main(self.accelerator, self._find_intact)
        if error:
            raise ValueError(error)
        return found

    def save(self, progress: Progress) -> Path:
        """Write a checkpoint under a temporary name, rename it when it is on the disk, delete the oldest."""
        path = self._path(progress.step)
        partial = from_main(self.accelerator, lambda: temporary_path(path))
        try:
            if self.accelerator.is_main_process:
                partial.mkdir(parents=True)
            self.accelerator.wait_for_everyone()
            self.accelerator.save_state(str(partial))
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                self._write_state(partial, progress, _digests(partial))
                replace_folder(partial, path)
                self._prune(progress.step)
        finally:
            if self.accelerator.is_main_process:
                shutil.rmtree(partial, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        return path

    def note(self, progress: Progress) -> None:
        """Note in the checkpoint of this step what its evaluation found."""
        path = self._path(progress.step)
        if self.accelerator.is_main_process and path.is_dir():
            self._write_state(path, progress, _read_state(path)["files"])
        self.accelerator.wait_for_everyone()

    def load(self, path: Path) -> Progress:
        """Restore weights, optimizer, schedule and random state, and return the progress.

        Raises:
            ValueError: when the random state is missing or does not load.
        """
        state = _read_state(path)
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

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _find_intact(self) -> tuple[Path | None, str | None]:
        """The newest intact checkpoint, or what is wrong with all of them."""
        damages = []
        for path in reversed(checkpoint_paths(self.folder)):
            damage = find_damage(path)
            if damage is None:
                return path, None
            logger.warning("passed over the checkpoint %s: %s", path, damage)
            damages.append(f"{path.name}: {damage}")
        if not damages:
            return None, None
        return None, (
            f"no checkpoint in {self.folder} is intact ({'; '.join(damages)}): put an intact one there, or "
            "start again with --overwrite"
        )

    def _write_state(self, folder: Path, progress: Progress, files: dict[str, str]) -> None:
        content = as_json({"progress": asdict(progress), "origin": self.origin, "files": files})
        with atomic_write(folder / STATE_FILE) as partial:
            text = json.dumps({"digest": _digest(content), **content}, indent=1)
            partial.write_text(text, encoding="utf-8")

    def _prune(self, step: int) -> None:
        """Delete all but the newest checkpoints, and damaged ones of later steps, which were passed over."""
        paths = checkpoint_paths(self.folder)
        kept = [path for path in paths if _step(path) <= step][-self.keep :]
        for path in paths:
            if path not in kept:
                shutil.rmtree(path)


def checkpoint_paths(folder: Path) -> list[Path]:
    """List the checkpoints in a folder, oldest first; whatever else lies there is left alone."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in entries if _NAME.fullmatch(path.name) and path.is_dir()), key=_step)


def find_damage(path: Path) -> str | None:
    """Say which file of a checkpoint is missing or differs from what was written; None if it is intact."""
    try:
        files = _read_state(path)["files"]
        for name, digest in files.items():
            if not (path / name).is_file():
                return f"{name} is missing"
            if file_digest(path / name) != digest:
                return f"{name} is damaged"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{STATE_FILE} is missing or damaged ({error})"
    return None


def from_main(accelerator: Accelerator, ask: Any) -> Any:
    """Call a function on the main process, and give every rank what it returned."""
    answer = [ask() if accelerator.is_main_process else None]
    return broadcast_object_list(answer)[0]


def as_json(content: Any) -> Any:
    """Give what is read back when this is written as JSON, where the keys of a mapping are text."""
    return json.loads(json.dumps(content, default=str))


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}


def _read_state(path: Path) -> dict:
    state = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
    if state.pop("digest") != _digest(state):
        raise ValueError("its digest differs")
    return state


def _digest(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _save_plain_weights(models: list, weights: list[dict], folder: str) -> None:
    """Drop the prefix of DistributedDataParallel, so that any number of processes can load the checkpoint.

    safetensors takes contiguous tensors only; loading copies them into whatever order the model has.
    """
    for index, state in enumerate(weights):
        weights[index] = {name.removeprefix("module."): part.contiguous() for name, part in state.items()}


def _load_plain_names(models: list, folder: str) -> None:
    """Load weights saved under plain names into a DistributedDataParallel model, in place of accelerate."""
    if models and isinstance(models[0], DistributedDataParallel):
        load_model(models.pop(0).module, str(Path(folder) / "model.safetensors"))
