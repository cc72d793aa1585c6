"""The first run of a swapped network: what a swap cannot see, it must not get wrong."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from ..eval_mode import eval_mode


def run_quietly(model: nn.Module, example: Any) -> Any:
    """Run a network on an example, in evaluation mode and without gradients."""
    args, kwargs = call_arguments(example)
    with eval_mode(model), torch.no_grad():
        return model(*args, **kwargs)


def gives_nan(model: nn.Module, example: Any) -> bool:
    """Say whether a network's output has a nan: the stand-in of a waiting map has no other value.

    Code that PyTorch's function modes do not see, such as a scripted function, would read it instead of the
    map.
    """
    outputs = [part for part in pytree.tree_leaves(run_quietly(model, example)) if torch.is_tensor(part)]
    return any(bool(part.isnan().any()) for part in outputs)


def call_arguments(example: Any) -> tuple[tuple, dict[str, Any]]:
    """Split what a network is called with into positional and named arguments."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return (tuple(example), {}) if isinstance(example, (tuple, list)) else ((example,), {})
