"""Gradient checkpointing of layers with batch normalisation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn


class CheckpointedSequential(nn.Sequential):
    """Layers one after the other; while checkpointing in training, only their inputs are kept."""

    _gradient_checkpointing_func: Callable[..., torch.Tensor]  # set by transformers

    def __init__(self, *layers: nn.Module):
        super().__init__(*layers)
        self.gradient_checkpointing = False  # set by transformers too

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map the input of the first layer to the output of the last."""
        if not (self.gradient_checkpointing and self.training):
            return super().forward(hidden)
        if torch.is_grad_enabled() and not hidden.requires_grad:
            # A reentrant checkpoint gives no gradients, of parameters either, where its input wants none.
            hidden = hidden.detach().requires_grad_()
        for layer in self:
            hidden = self._gradient_checkpointing_func(averaging_once(layer), hidden)
        return hidden


def averaging_once(layer: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Have only the first of several calls move the running averages of batch normalisation.

    Gradient checkpointing calls a layer again for its backward pass.
    """
    called = False

    def call(hidden: torch.Tensor) -> torch.Tensor:
        nonlocal called
        with averages_kept(layer) if called else nullcontext():
            called = True
            return layer(hidden)

    return call


@contextmanager
def averages_kept(module: nn.Module) -> Iterator[None]:
    """Hold still the running averages of batch normalisation inside a module."""
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
