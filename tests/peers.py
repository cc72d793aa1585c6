"""Vectors made by other people's code; golden/peers/README.md says by whose, and what the keys are."""

from pathlib import Path

import torch
from safetensors.torch import load_file

FOLDER = Path(__file__).parent / "golden" / "peers"


def read(name):
    return load_file(FOLDER / f"{name}.safetensors")


def under(vectors, prefix):
    """The vectors whose key begins so, by the rest of their key."""
    return {key.removeprefix(prefix): value for key, value in vectors.items() if key.startswith(prefix)}


def load_parameters(module, values):
    """Give a module these parameters and averages, and no other."""
    own = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    assert own == set(values)
    module.load_state_dict(values, strict=False)


def assert_same(ours, theirs):
    """Compare relative to the largest number: a sum's rounding is relative to its terms."""
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12 * theirs.abs().max().item())
