"""The training loop: it counts steps, keeps the books and knows no task."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed

from sapa_hf.eval_mode import eval_mode
from sapa_hf.evaluation import write_results
from sapa_hf.load import load_model
from sapa_hf.provenance import peak_memory_megabytes
from sapa_hf.tasks import Task

from .arguments import ABOUT, Arguments
from .checkpoint import Checkpoints, Progress, from_main
from .interruption import Interruption
from .journal import Journal
from .kernel_log import KernelLog, warning_of_small_maps
from .loader import steps_of_batches
from .lock import RunLock
from .optimizer import build_optimizer
from .parse import as_settings
from .randomness import preserved_randomness
from .run_folder import RunFolder
from .schedule import build_schedule
from .step import NonFiniteError, StepResult, training_step

logger = logging.getLogger(__name__)


class Trainer:
    """One run: `Trainer(task, arguments).train()`.

    accelerate prepares the model and the optimizer. It does not touch the loader or the schedule: the order
    of samples and the learning rate are functions of the step alone.
    """

    def __init__(self, task: Task, arguments: Arguments):
        self.task, self.arguments = task, arguments
        self.settings = as_settings(arguments, task.keys)
        run, optimization = arguments.run, arguments.optimization
        self.folder = RunFolder(run.output_dir)
        self.folder.check_free(arguments)
        self.lock = RunLock(self.folder.path)
        self.accelerator = Accelerator(
            mixed_precision=optimization.mixed_precision,
            cpu=run.cpu,
            log_with=None if run.tracker == "none" else run.tracker,
            project_config=ProjectConfiguration(project_dir=str(self.folder.path)),
        )
        try:
            self._build()
        except BaseException:
            self.lock.release()
            raise

    def _build(self) -> None:
        """Lock the folder, open the data, make the model and load the newest checkpoint."""
        task, arguments = self.task, self.arguments
        run, optimization = arguments.run, arguments.optimization
        if self.accelerator.is_main_process:
            self.lock.acquire()
            self.folder.check_free(arguments)  # another run may have ended in between
        self.accelerator.wait_for_everyone()
        with self.accelerator.local_main_process_first():  # one rank fills the cache of the data
            task.prepare()
        set_seed(run.seed)  # the same weights on every rank
        model = task.build_model()
        if arguments.model.gradient_checkpointing:
            model.gradient_checkpointing_enable()
        if optimization.channels_last:  # a convolution passes on the order of its weights
            model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # a decorator hides self
        optimizer = build_optimizer(model, optimization, task.head)
        self.schedule = build_schedule(optimizer, optimization)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.accelerator.register_for_checkpointing(self.schedule)
        set_seed(run.seed, device_specific=True)  # another dropout on every rank
        self.checkpoints = Checkpoints(
            self.folder.checkpoints, run.keep_checkpoints, self.accelerator, self._origin()
        )
        self.progress = self._start()
        kernels = KernelLog(self.accelerator.unwrap_model(self.model)) if run.log_kernels else None
        self.journal = Journal(self.accelerator, self.folder, run, self.progress, kernels)

    def train(self) -> str | None:
        """Take all remaining steps, then score the best weights.

        Returns:
            The table of results, or None when the run was asked to stop before its end.

        Raises:
            NonFiniteError: when the loss or its gradient is not finite; the last checkpoint is intact.
        """
        try:
            table = self._finish() if self._take_steps() else None
            self._close()
            return table
        finally:
            self.lock.release()

    def _take_steps(self) -> bool:
        """Take all remaining steps; False when the run was asked to stop before its end.

        A checkpoint is written before an evaluation, which may fail, and notes afterwards what it found.
        """
        run, progress = self.arguments.run, self.progress
        eval_steps, max_steps = self.arguments.evaluation.eval_steps, self.arguments.optimization.max_steps
        self.model.train()
        with (
            Interruption() as interruption,
            self.journal.open_bar(max_steps),
            closing(self._steps(interruption)) as results,
        ):
            if progress.step > progress.evaluated_step and self._due(eval_steps):
                self._evaluate()  # the one that an interruption cut short
            for result in results:
                if self._due(run.log_steps):
                    self.journal.write_losses(result)
                if self._due(run.checkpoint_steps) or self._due(eval_steps) or result.stop:
                    self.checkpoints.save(progress)
                if result.stop and progress.step < max_steps:
                    logger.warning("stopped after step %d; add --resume to go on", progress.step)
                    return False
                if self._due(eval_steps):
                    self._evaluate()
        return True

    def _origin(self) -> dict:
        """Collect what a bitwise continuation depends on."""
        settings = {key: value for key, value in self.settings.items() if ABOUT[key]["affects"] == "weights"}
        return settings | {"world_size": self.accelerator.num_processes, "data": self.task.fingerprint()}

    def _start(self) -> Progress:
        """Load the newest checkpoint when asked to, and make the folder ready.

        Raises:
            ValueError: when the checkpoint lies past the last step.
        """
        resume, max_steps = self.arguments.run.resume, self.arguments.optimization.max_steps
        if self.arguments.run.overwrite and self.accelerator.is_main_process:
            self.folder.clear()
        self.accelerator.wait_for_everyone()
        path = self.checkpoints.latest() if resume else None
        progress = self.checkpoints.load(path) if path else Progress()
        if progress.step > max_steps:
            raise ValueError(f"{path} is past max_steps={max_steps}: raise max_steps")
        if resume:
            logger.warning("resumed from %s" if path else "nothing to resume in %s", path or self.folder.path)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.folder.open(self.settings, progress, max_steps)
        best = from_main(self.accelerator, lambda: self.folder.digest(self.folder.best))
        if progress.best_step is not None and best != progress.best_weights:
            logger.warning(
                "%s does not hold the weights of step %d, the best so far: the next evaluation chooses anew",
                self.folder.best,
                progress.best_step,
            )
            progress.best_metric = progress.best_step = progress.best_weights = None
        return progress

    def _steps(self, interruption: Interruption) -> Generator[StepResult, None, None]:
        """Take the remaining steps one by one, and count them."""
        progress, images = self.progress, self._images_per_step()
        began = time.perf_counter()
        with closing(steps_of_batches(self.task, self.arguments, progress, self.accelerator)) as loaded:
            for batches in loaded:
                try:
                    with self._watched():
                        result = training_step(
                            self.accelerator,
                            self.model,
                            self.optimizer,
                            batches,
                            self.task.weight,
                            self.arguments.optimization.max_grad_norm,
                            interruption.requested,
                        )
                except NonFiniteError as error:
                    raise NonFiniteError(
                        f"step {progress.step + 1}: {error}. No weight was changed and the last checkpoint "
                        "is intact: look at these images, or go on with --resume and a lower learning rate"
                    ) from None
                self.schedule.step()
                progress.step += 1
                progress.samples_seen += images
                progress.skipped_samples += result.skipped
                progress.ignored_steps += result.loss is None
                self.journal.note_step(
                    result, [batch["ids"] for batch in batches], images, time.perf_counter() - began
                )
                yield result
                began = time.perf_counter()

    def _watched(self) -> AbstractContextManager:
        """Look at the upsamplers in the step to come: for a line of the journal, or once for a warning."""
        step, kernels = self.progress.step + 1, self.journal.kernels
        watched = ExitStack()
        if step == 1 and self.accelerator.is_main_process:
            watched.enter_context(warning_of_small_maps(self.accelerator.unwrap_model(self.model)))
        if kernels and self._due(self.arguments.run.log_steps, step):
            watched.enter_context(kernels.watching())
        return watched

    def _evaluate(self) -> None:
        """Score and draw the model as it is, without using up random numbers, and keep it if it is best."""
        model, progress = self.accelerator.unwrap_model(self.model), self.progress
        with preserved_randomness(), eval_mode(model):
            figures = self.task.evaluate(model, self.accelerator)
            pictures = self.task.pictures(model) if self.accelerator.is_main_process else {}
        self.journal.write_evaluation(figures, pictures)
        figure, sign = figures[self.task.best_metric], 1 if self.task.greater_is_better else -1
        if math.isfinite(figure) and (
            progress.best_metric is None or sign * (figure - progress.best_metric) > 0
        ):
            self._save_best(figure)
        progress.evaluated_step = progress.step
        self.checkpoints.note(progress)

    def _finish(self) -> str:
        """Save the last weights, score the best ones and write the results file."""
        self._save_model(self.folder.last)
        if self.progress.best_step is None:  # no evaluation gave a finite figure
            self._save_best(None)
        best = load_model(self.folder.best, device=self.accelerator.device)
        training = {
            "steps": self.progress.step,
            "best_step": self.progress.best_step,
            "batch": self._images_per_step(),
            "seed": self.arguments.run.seed,
            "skipped_samples": self.progress.skipped_samples,
            "ignored_steps": self.progress.ignored_steps,
            "peak_memory_mb": peak_memory_megabytes(self.accelerator.device),
            "recipe": self.arguments.run.recipe,
            "settings": self.settings,
            "data": self.task.fingerprint(),
        }
        figures = self.task.evaluate_final(best, self.accelerator)
        spec, split = self.task.spec, self.task.final_split
        if self.accelerator.is_main_process:
            extra = {"task": self.task.name, "split": split, "training": training}
            extra["evaluation"] = self.task.protocol
            write_results(self.folder.results, figures, best, spec, extra)
        self.accelerator.wait_for_everyone()
        return self.task.table({f"{spec.name} {split}": figures})

    def _close(self) -> None:
        """End the trackers and the process group.

        DistributedDataParallel goes before its process group: released after it, at exit, gloo now and then
        waits for ever for a thread that waits for the interpreter's lock.
        """
        self.model = self.accelerator.unwrap_model(self.model)
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        self.accelerator.end_training()

    def _save_best(self, figure: float | None) -> None:
        """Keep the current weights as the best, with their figure."""
        self.progress.best_weights = self._save_model(self.folder.best)
        self.progress.best_metric, self.progress.best_step = figure, self.progress.step

    def _save_model(self, folder: Path) -> str | None:
        """Write the current weights as a model folder; all ranks call this, the main one gets a digest."""
        weights = self.accelerator.get_state_dict(self.model)
        digest = None
        if self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(self.model)
            digest = self.folder.save_model(folder, model, self.task.processor(), weights)
        self.accelerator.wait_for_everyone()
        return digest

    def _due(self, every: int, step: int | None = None) -> bool:
        """Whether something done every so many steps is due after a step, by default the one just taken.

        The last step has everything.
        """
        step = self.progress.step if step is None else step
        return step % every == 0 or step == self.arguments.optimization.max_steps

    def _images_per_step(self) -> int:
        """Images of one step, over all ranks and micro-batches."""
        optimization = self.arguments.optimization
        return (
            optimization.batch_size
            * optimization.gradient_accumulation_steps
            * self.accelerator.num_processes
        )
