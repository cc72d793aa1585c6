"""Which images of a data set a process evaluates."""

from collections.abc import Iterable, Sized
from typing import Any, Protocol

from torch import Tensor
from tqdm.auto import tqdm


class IndexedSamples(Protocol):
    """Samples by number: a list of dicts, or `sapa_hf.data.Samples`."""

    def __len__(self) -> int:
        """Count the samples."""

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        """Give one."""


def same(tensor: Tensor) -> Tensor:
    """Sum over one process: the tensor itself."""
    return tensor


def image_shares(
    samples: Sized, rank: int, world_size: int, limit: int | None, progress: bool
) -> Iterable[int]:
    """Give the indices of this process's images, with a progress bar on rank 0.

    Rank r takes images r, r + world_size, ...: none is counted twice.

    Raises:
        ValueError: there is no image, or no such rank.
    """
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must lie in 0..world_size - 1, got rank {rank} of {world_size}")
    count = len(samples) if limit is None else min(limit, len(samples))
    if count < 1:
        raise ValueError(f"there must be an image to evaluate, got {len(samples)} samples, limit {limit}")
    indices = range(rank, count, world_size)
    return tqdm(indices, desc="evaluate", unit="image", disable=not progress or rank > 0)
