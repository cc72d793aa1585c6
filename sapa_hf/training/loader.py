"""The micro-batches of one rank, from any point of the run on."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice
from multiprocessing import active_children

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, IterableDataset

from sapa_hf.tasks import Task

from .arguments import Arguments
from .checkpoint import Progress
from .interruption import end_workers, ignore_in_worker
from .sampler import MicroBatches


def steps_of_batches(
    task: Task, arguments: Arguments, progress: Progress, accelerator: Accelerator
) -> Generator[list[dict], None, None]:
    """Yield, for every remaining step, the list of this rank's micro-batches.

    Close the generator: its data workers then end, even those that hang.
    """
    optimization, seed = arguments.optimization, arguments.run.seed
    steps, accumulation = optimization.max_steps - progress.step, optimization.gradient_accumulation_steps
    rank, world_size = accelerator.process_index, accelerator.num_processes
    samples = task.train_samples(progress.samples_seen // world_size, rank, world_size)
    batch_size, order = optimization.batch_size, None
    if not isinstance(samples, IterableDataset):
        batch_size = 1  # as DataLoader wants it where the order makes the batches
        order = MicroBatches(
            len(samples),  # type: ignore[arg-type]  # torch's Dataset leaves out its own __len__
            optimization.batch_size,
            steps,
            accumulation,
            start=progress.samples_seen,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
    loader = DataLoader(
        samples,
        batch_size,
        batch_sampler=order,
        collate_fn=task.collate,
        num_workers=arguments.data.num_workers,
        pin_memory=accelerator.device.type == "cuda",
        worker_init_fn=ignore_in_worker,
        # Its own generator: a loader without one draws from torch's global state when it starts.
        generator=torch.Generator().manual_seed(seed),
    )
    before = set(active_children())
    micro_batches = iter(loader)
    workers = set(active_children()) - before
    try:
        for _ in range(steps):
            yield list(islice(micro_batches, accumulation))
    finally:
        end_workers(workers, getattr(micro_batches, "_shutdown_workers", lambda: None))
