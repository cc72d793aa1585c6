"""The order of samples: a function of the seed alone, so that a run can start anywhere in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class MicroBatches(Sampler[list[tuple[int, int]]]):
    """Keys (index, epoch) of every micro-batch that one rank sees, from any position of the order on.

    Epoch e is one permutation of all samples, drawn from (seed, e), and the epochs follow each other without
    a gap: a micro-batch may span two of them, no sample is dropped, and a set smaller than a batch works.
    Position p of that endless order belongs to micro-batch p // batch_size; a step takes world_size *
    accumulation of them, and number m of a step goes to rank m % world_size. Two ranks therefore see the
    micro-batches that one process with twice the accumulation sees, and a resumed run reads nothing that it
    then skips.

    Args:
        count: samples in the data set.
        batch_size: samples of a micro-batch.
        steps: optimizer steps to serve.
        accumulation: micro-batches of a step, per rank.
        start: samples, over all ranks, that were served before.
        seed: of the permutations.
        rank: of this process.
        world_size: number of processes.

    Raises:
        ValueError: when there are no samples.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        steps: int,
        accumulation: int = 1,
        start: int = 0,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        if count < 1:
            raise ValueError(
                "the training split has no samples; check the split's name and the data set's path"
            )
        self.count, self.batch_size, self.steps, self.accumulation = count, batch_size, steps, accumulation
        self.start, self.seed, self.rank, self.world_size = start, seed, rank, world_size

    def __len__(self) -> int:
        return self.steps * self.accumulation

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, np.empty(0, dtype=int)
        for batch in range(self.rank, len(self) * self.world_size, self.world_size):
            first = self.start + batch * self.batch_size
            keys = []
            for position in range(first, first + self.batch_size):
                if position // self.count != epoch:
                    epoch = position // self.count
                    order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
                keys.append((int(order[position % self.count]), epoch))
            yield keys
