"""What a run says about itself: progress bar, log.jsonl, tracker and pictures."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from tqdm import tqdm

from .arguments import RunArguments
from .checkpoint import Progress
from .kernel_log import KernelLog
from .run_folder import RunFolder
from .step import StepResult

logger = logging.getLogger(__name__)


class Journal:
    """Writes a run's lines; every method is called by all ranks, and only the main process writes.

    Args:
        progress: of the run, after an earlier checkpoint was loaded; holds the loss since the last line.
        kernels: what to say of SAPA's kernels, where that is asked for.

    Raises:
        ValueError: when the tracker is not installed.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        folder: RunFolder,
        run: RunArguments,
        progress: Progress,
        kernels: KernelLog | None = None,
    ):
        self.accelerator, self.folder, self.run, self.progress = accelerator, folder, run, progress
        self.kernels = kernels
        self.images, self.seconds = 0, 0.0
        self.bar: tqdm  # from open_bar on
        # The curves of steps that a resumed run takes again are hidden.
        purge = {"tensorboard": {"purge_step": progress.step + 1}} if progress.step else {}
        accelerator.init_trackers(
            "tensorboard" if run.tracker == "tensorboard" else folder.path.name, init_kwargs=purge
        )
        if run.tracker != "none" and accelerator.is_main_process and not accelerator.trackers:
            raise ValueError(f"tracker {run.tracker!r} is not installed: install it, or set tracker=none")

    def open_bar(self, max_steps: int) -> tqdm:
        """Start the progress bar at the run's step; use it as a context."""
        self.bar = tqdm(
            total=max_steps,
            initial=self.progress.step,
            unit="step",
            disable=not self.accelerator.is_main_process,
        )
        return self.bar

    def note_step(self, result: StepResult, ids: list[list[str]], images: int, seconds: float) -> None:
        """Take note of one step: its loss, its speed and, where asked for, the ids of its micro-batches."""
        if result.loss is None:
            logger.warning("step %d has no valid pixel and changed nothing", self.progress.step)
        else:
            self.progress.window_loss += result.loss
            self.progress.window_steps += 1
        self.images, self.seconds = self.images + images, self.seconds + seconds
        self.bar.update()
        if self.run.log_sample_ids:
            by_rank = gather_object([ids])  # rank, accumulation, sample
            in_order = [id_ for turn in zip(*by_rank, strict=True) for batch in turn for id_ in batch]
            self._write({"ids": in_order})

    def write_losses(self, result: StepResult) -> None:
        """Write the mean loss since the last line, the learning rates and the speed."""
        progress = self.progress
        loss = progress.window_loss / progress.window_steps if progress.window_steps else None
        line = {"loss": loss, "grad_norm": result.grad_norm}
        line |= {f"{name.split()[0]}_learning_rate": rate for name, rate in result.learning_rates.items()}
        line |= {"images_per_second": round(self.images / max(self.seconds, 1e-9), 2)}
        line |= {"skipped_samples": progress.skipped_samples, "ignored_steps": progress.ignored_steps}
        line |= self.kernels.figures if self.kernels else {}
        self.bar.set_postfix_str(f"loss {loss or 0:.4f}, {line['images_per_second']} images/s")
        self._write(line)
        numbers = {f"training/{key}": value for key, value in line.items() if value is not None}
        self.accelerator.log(numbers, progress.step)
        progress.window_loss, progress.window_steps = 0.0, 0
        self.images, self.seconds = 0, 0.0

    def write_evaluation(self, figures: dict[str, Any], pictures: dict[str, Image.Image]) -> None:
        """Write the figures of an evaluation, and its pictures."""
        step = self.progress.step
        numbers = {key: value for key, value in figures.items() if isinstance(value, (int, float))}
        logger.info("step %d: %s", step, ", ".join(f"{key} {value:.4g}" for key, value in numbers.items()))
        self._write({"evaluation": numbers})
        self.accelerator.log({f"evaluation/{key}": value for key, value in numbers.items()}, step)
        if pictures:
            self.folder.save_pictures(pictures, step)
        if pictures and self.run.tracker == "tensorboard":
            images = {f"pictures/{name}": np.asarray(picture)[None] for name, picture in pictures.items()}
            self.accelerator.get_tracker("tensorboard").log_images(images, step, dataformats="NHWC")

    def _write(self, line: dict[str, Any]) -> None:
        """Append a line for the current step to log.jsonl."""
        if self.accelerator.is_main_process:
            self.folder.write_log({"step": self.progress.step, **line})
