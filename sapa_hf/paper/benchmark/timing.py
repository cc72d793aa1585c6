"""Interleaved timing: every contender runs once a round, so that a busy machine slows all alike."""

import statistics
import time
from collections.abc import Callable

import torch
from tqdm import tqdm


def time_side_by_side(
    contenders: dict[str, Callable[[], object]], rounds: int = 7, device: str = "cpu", title: str = ""
) -> dict[str, float]:
    """Time functions against each other.

    Args:
        contenders: Functions by name; each runs once to warm up, then once a round.
        rounds: How many rounds.
        device: "cpu" or "cuda"; on CUDA the clock waits for the device.
        title: What the progress bar says.

    Returns:
        For each name the median of its rounds, milliseconds.
    """
    for run in contenders.values():
        run()
    times = {name: [] for name in contenders}
    for _ in tqdm(range(rounds), desc=title, leave=False):
        for name, run in contenders.items():
            _wait(device)
            start = time.perf_counter()
            run()
            _wait(device)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(t) for name, t in times.items()}


def saved_megabytes(run: Callable[[], torch.Tensor]) -> float:
    """Count the megabytes (1e6 bytes) that autograd keeps for the backward pass of `run`, inputs included."""
    storages = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    return sum(storages.values()) / 1e6


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
