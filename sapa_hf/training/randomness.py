"""Global random state: kept out of evaluation's reach, and checked after it was restored."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import load
from accelerate.utils.constants import RNG_STATE_NAME


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Put Python's, numpy's and torch's generators back to where they were, whatever happens inside."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def random_state_file(rank: int) -> str:
    """Name of the file that accelerate writes a rank's random state to."""
    return f"{RNG_STATE_NAME}_{rank}.pkl"


def check_randomness_restored(checkpoint: Path, rank: int) -> None:
    """Compare the generators with the checkpoint's; accelerate only logs when it could not restore them.

    Raises:
        ValueError: when a generator differs, so that a run never goes on with other random numbers unnoticed.
    """
    file = checkpoint / random_state_file(rank)
    try:
        states = load(file)
        restored = (
            tuple(states["random_state"]) == random.getstate()
            and np.array_equal(
                states["numpy_random_seed"][1], np.random.get_state(legacy=False)["state"]["key"]
            )
            and torch.equal(states["torch_manual_seed"], torch.get_rng_state())
        )
    except Exception as error:
        raise ValueError(f"{file} is missing or broken ({error}): resume from an older checkpoint") from error
    if not restored:
        raise ValueError(f"the random state in {file} could not be restored: resume from an older checkpoint")
