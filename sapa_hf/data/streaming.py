"""Samples of a data set that is read as it comes, split by rank and worker their order unchanged."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import count
from typing import Any

import datasets
import numpy as np
import torch
from datasets.distributed import split_dataset_by_node

from .decode import BadSampleError
from .samples import OnBad, Target, Transform, check_choices, make_sample
from .spec import DatasetSpec

logger = logging.getLogger(__name__)

READ_AHEAD = 8  # rows that are read at a time


class StreamedSamples(torch.utils.data.IterableDataset):
    """The samples of a streamed data set, as dicts like those of `Samples`.

    Every worker reads all rows of its rank and decodes only its own, in blocks of `batch_size` in turn. So a
    DataLoader with that batch size yields the same batches for any number of workers, and n batches have used
    exactly the first n * batch_size rows: `start` continues from there. Reading is cheap beside decoding.

    Args:
        dataset: A streamed split from `load_split`; to shuffle, `dataset.shuffle(seed, buffer_size=...)`.
        spec: The data set's description.
        transform: As for `Samples`; the generator depends on (seed, epoch, rank, row) only.
        seed: Of the transform's draws.
        rank: Of this process.
        world_size: Number of processes.
        on_bad: At an unreadable row, "raise", or "skip": the next readable row stands in for it too.
        start: Samples that this rank has used already, over all epochs.
        target: "labels" or "depth".
        batch_size: Of the DataLoader.
        epochs: How often to read the data set; None to go on for ever, so that no rank ends before another.
    """

    def __init__(
        self,
        dataset: datasets.IterableDataset,
        spec: DatasetSpec,
        transform: Transform | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        on_bad: OnBad = "raise",
        start: int = 0,
        target: Target = "labels",
        batch_size: int = 1,
        epochs: int | None = 1,
    ):
        check_choices(spec, target, on_bad)
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in 0..world_size-1, got rank {rank} of {world_size}")
        if start < 0 or batch_size < 1 or (epochs is not None and epochs < 1):
            raise ValueError(
                "start must be at least 0, batch_size and epochs at least 1, got "
                f"{start}, {batch_size} and {epochs}"
            )
        self.split = f"{dataset.split or 'row'}" + (f"/{rank}" if world_size > 1 else "")
        self.dataset = split_dataset_by_node(dataset, rank, world_size) if world_size > 1 else dataset
        self.spec, self.transform, self.seed, self.rank = spec, transform, seed, rank
        self.on_bad, self.start, self.target = on_bad, start, target
        self.batch_size, self.epochs = batch_size, epochs

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield this worker's samples."""
        worker = torch.utils.data.get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        waiting: list[
            tuple[int, int]
        ] = []  # keys of unreadable rows that the next readable one stands in for
        for used, (epoch, index, row) in enumerate(self._rows(), -self.start):
            mine = used >= 0 and used // self.batch_size % workers == number
            keys = waiting + [(epoch, index)] * mine
            if not keys:
                continue
            try:
                samples = [
                    self._sample(row, index, key, skipped=key is not keys[-1] or not mine) for key in keys
                ]
            except BadSampleError as error:
                if self.on_bad == "raise":
                    raise
                logger.warning("skipped: %s", error)
                waiting = keys
                continue
            waiting = []
            yield from samples

    def _sample(self, row: dict[str, Any], index: int, key: tuple[int, int], skipped: bool) -> dict[str, Any]:
        """Make a sample of a row with the draws of the row that `key` names."""
        rng = np.random.default_rng((self.seed, key[0], self.rank, key[1]))
        name = f"{self.split}[{index}]"
        return make_sample(row, name, self.spec, self.target, self.transform, rng, int(skipped))

    def _rows(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """All rows of this rank with their epoch and their number in it."""
        for epoch in count() if self.epochs is None else range(self.epochs):
            self.dataset.set_epoch(epoch)
            index = 0
            # iter(), unlike plain iteration, does not deal shards out to the DataLoader's workers.
            for batch in self.dataset.iter(batch_size=READ_AHEAD):
                for values in zip(*batch.values(), strict=True):
                    yield epoch, index, dict(zip(batch, values, strict=True))
                    index += 1
            if index == 0:
                raise ValueError(f"{self.split} of {self.spec.name} gives rank {self.rank} no rows")
