"""The micro-batches of one rank, from any point of the run on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from .arguments import Arguments
from .checkpoint import Progress
from .interruption import ignore_in_worker
from .sampler import MicroBatches


def steps_of_batches(
    samples, collate, arguments: Arguments, progress: Progress, accelerator: Accelerator
) -> Iterator:
    """Yield, for every remaining step, the list of this rank's micro-batches."""
    optimization = arguments.optimization
    sampler = MicroBatches(
        len(samples),
        optimization.batch_size,
        optimization.max_steps - progress.step,
        optimization.gradient_accumulation_steps,
        start=progress.samples_seen,
        seed=arguments.run.seed,
        rank=accelerator.process_index,
        world_size=accelerator.num_processes,
    )
    loader = DataLoader(
        samples,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=arguments.data.num_workers,
        pin_memory=accelerator.device.type == "cuda",
        worker_init_fn=ignore_in_worker,
        # Its own generator: a loader without one draws from torch's global state when it starts.
        generator=torch.Generator().manual_seed(arguments.run.seed),
    )
    micro_batches = iter(loader)
    while batches := list(islice(micro_batches, optimization.gradient_accumulation_steps)):
        yield batches
