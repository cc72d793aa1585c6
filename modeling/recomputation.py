"""What is cheaper to compute again in the backward pass than to keep until then."""

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint

from .compiled_kernel import is_transformed


def recomputed(function: Callable[..., torch.Tensor], *maps: torch.Tensor | None) -> torch.Tensor:
    """Call a function so that nothing inside it is kept for the backward pass, which calls it again.

    Where a graph is traced, whoever traces it decides that; and the transforms of torch.func allow no such
    call. There the function is called as it is.

    Args:
        function: Draws no random numbers.
        maps: Its arguments, which are kept.

    Returns:
        What the function gives.
    """
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if not torch.is_grad_enabled() or traced or is_transformed():
        return function(*maps)
    return checkpoint(function, *maps, use_reentrant=False, preserve_rng_state=False)
