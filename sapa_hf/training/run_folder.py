"""The folder of a run: recipe, log, checkpoints, model folders, pictures and results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import PreTrainedModel

from sapa_hf.atomic_write import atomic_write

from .arguments import Arguments
from .checkpoint import replace_folder
from .recipe import write_recipe


class RunFolder:
    """Where everything that a run writes is found; only the main process writes.

    `recipe.yaml` (all settings), `log.jsonl`, `tensorboard/`, `checkpoints/`, `best/` and `last/` (model
    folders), `pictures/`, `results.json`.
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
        used = self.log.exists() or any(self.checkpoints.glob("step-*"))
        if used and not (arguments.run.resume or arguments.run.overwrite):
            raise ValueError(
                f"{self.path} holds a run already: add --resume to go on with it, --overwrite to delete it, "
                "or choose another output_dir"
            )

    def open(self, settings: Mapping[str, Any], step: int, overwrite: bool) -> None:
        """Make the folder ready for a run that starts after `step` steps: the log ends there."""
        if overwrite:
            self._delete_run()
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (self.best, self.last):  # a crash between two renames left only the older one
            old = folder.with_name(folder.name + ".old")
            if old.exists() and not folder.exists():
                old.rename(folder)
        self._truncate_log(step)
        write_recipe(settings, self.path / "recipe.yaml")

    def write_log(self, line: dict) -> None:
        """Append one line to log.jsonl."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save_model(self, folder: Path, model: PreTrainedModel, processor, weights: dict) -> None:
        """Write a folder that `from_pretrained` and `pipeline` load; an older one is replaced at the end."""
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        model.save_pretrained(partial, state_dict=weights)
        processor.save_pretrained(partial)
        replace_folder(partial, folder)

    def save_pictures(self, pictures: dict[str, Image.Image], step: int) -> None:
        """Write pictures as PNG files named by step."""
        self.pictures.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            picture.save(self.pictures / f"step-{step:08d}-{name}.png")

    def _truncate_log(self, step: int) -> None:
        """Drop the lines of steps that will be run again, and a last line that was cut short."""
        kept = []
        for line in self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []:
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                continue
        with atomic_write(self.log) as partial:
            partial.write_text("".join(kept), encoding="utf-8")

    def _delete_run(self) -> None:
        """Delete what a run writes, and nothing else."""
        for folder in (self.checkpoints, self.best, self.last, self.pictures, self.path / "tensorboard"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.log, self.results, self.path / "recipe.yaml"):
            file.unlink(missing_ok=True)
