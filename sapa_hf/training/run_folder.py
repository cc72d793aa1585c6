"""The folder of a run: recipe, log, checkpoints, model folders, pictures and results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import PreTrainedModel

from sapa_hf.atomic_write import atomic_folder, atomic_write, tidy
from sapa_hf.provenance import file_digest

from .arguments import Arguments
from .checkpoint import Progress, checkpoint_paths
from .recipe import write_recipe


class RunFolder:
    """Where everything that a run writes is found; only the main process writes.

    `recipe.yaml` (all settings), `log.jsonl`, `tensorboard/`, `checkpoints/`, `best/` and `last/` (model
    folders), `pictures/`, `results.json`, `run.lock`.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.log = self.path / "log.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.path / "best"
        self.last = self.path / "last"
        self.results = self.path / "results.json"
        self.pictures = self.path / "pictures"

    def check_free(self, arguments: Arguments) -> None:
        """Refuse to mix two runs in one folder.

        Raises:
            ValueError: when the folder holds a run that is neither to be resumed nor overwritten.
        """
        used = self.log.exists() or checkpoint_paths(self.checkpoints)
        if used and not (arguments.run.resume or arguments.run.overwrite):
            raise ValueError(
                f"{self.path} holds a run already: add --resume to go on with it, --overwrite to delete it, "
                "or choose another output_dir"
            )

    def clear(self) -> None:
        """Delete what an earlier run wrote, and nothing else."""
        for folder in (self.checkpoints, self.best, self.last, self.pictures, self.path / "tensorboard"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.log, self.results, self.path / "recipe.yaml"):
            file.unlink(missing_ok=True)

    def open(self, settings: Mapping[str, Any], progress: Progress, max_steps: int) -> None:
        """Make the folder ready for a run that goes on from here: the log ends there, and so do the results.

        A run that has taken all its steps keeps its results until they are measured again.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.path, self.checkpoints):
            tidy(folder)
        if progress.step < max_steps:
            self.results.unlink(missing_ok=True)
        self._truncate_log(progress)
        write_recipe(settings, self.path / "recipe.yaml")

    def write_log(self, line: dict) -> None:
        """Append one line to log.jsonl."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save_model(self, folder: Path, model: PreTrainedModel, processor, weights: dict) -> str:
        """Write a folder that `from_pretrained` and `pipeline` load, in place of an older one.

        Returns:
            The digest of its weights.
        """
        with atomic_folder(folder) as partial:
            model.save_pretrained(partial, state_dict=weights)
            processor.save_pretrained(partial)
        return self.digest(folder)

    def digest(self, folder: Path) -> str:
        """Digest the weights in a model folder; the same for any folder without weights."""
        return " ".join(file_digest(file) for file in sorted(folder.glob("*.safetensors")))

    def save_pictures(self, pictures: dict[str, Image.Image], step: int) -> None:
        """Write pictures as PNG files named by step."""
        self.pictures.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            picture.save(self.pictures / f"step-{step:08d}-{name}.png")

    def _truncate_log(self, progress: Progress) -> None:
        """Drop the lines of steps and evaluations that will be repeated, and a line that was cut short.

        Lines that are not ours are kept, whatever their bytes are.
        """
        *lines, rest = (self.log.read_bytes() if self.log.exists() else b"").split(b"\n")
        kept = [line for line in lines if not _is_repeated(line, progress)]
        if rest and not rest.startswith(b"{"):
            kept.append(rest)
        with atomic_write(self.log) as partial:
            partial.write_bytes(b"".join(line + b"\n" for line in kept))


def _is_repeated(line: bytes, progress: Progress) -> bool:
    """Whether a line of the log is about something that the run will do again."""
    try:
        entry = json.loads(line)
        last = progress.evaluated_step if "evaluation" in entry else progress.step
        return entry["step"] > last
    except (ValueError, KeyError, TypeError):  # UnicodeDecodeError is a ValueError
        return False
