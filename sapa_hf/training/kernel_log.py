"""What SAPA's kernels look like while a network learns: how flat they are, and how large their logits."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..modeling.sapa import SAPA

logger = logging.getLogger(__name__)


class KernelLog:
    """Looks at the kernels of every SAPA of a model, in the steps that are watched.

    Only the first photo of a micro-batch is looked at, and nothing that is learnt depends on it.

    Attributes:
        figures: Of the last watched step: for every SAPA by its name in the model `.../kernel_entropy`, the
            mean entropy of its kernels as a share of the largest (1: a flat average of the window, 0: a
            single tap), and `.../largest_logit`.

    Args:
        model: The model that learns.

    Raises:
        ValueError: It has no SAPA.
    """

    def __init__(self, model: nn.Module):
        self.layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, SAPA)}
        if not self.layers:
            raise ValueError(
                "log_kernels needs an upsampler of the SAPA family with windows, got "
                f"{getattr(model.config, 'upsampler', 'none')!r}: set log_kernels=false"
            )
        self.figures: dict[str, float] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the kernels of the forward passes inside; the last one stays in `figures`."""
        with calls(self.layers, self._look):
            yield

    @torch.no_grad()
    def _look(self, name: str, layer: SAPA, guide: Tensor, feature: Tensor) -> None:
        guide, feature = guide[:1].detach(), feature[:1].detach()
        weights = layer.kernels(guide, feature).double()  # (1, H', W', K * K)
        entropy = -torch.xlogy(weights, weights).sum(-1).mean() / math.log(weights.shape[-1])
        self.figures[f"{name}/kernel_entropy"] = round(float(entropy), 4)
        self.figures[f"{name}/largest_logit"] = round(float(layer.logits(guide, feature).abs().max()), 3)


@contextmanager
def warning_of_small_maps(model: nn.Module) -> Iterator[None]:
    """Warn after the forward passes inside where windows mostly reach over the edge, under the border "zero".

    There a tap outside the map has the logit 0 and the value 0, so that a part of every kernel is lost.
    """
    sides: dict[int, int] = {}  # by kernel size, the shortest side seen

    def look(name: str, layer: SAPA, guide: Tensor, feature: Tensor) -> None:
        if layer.border == "zero":
            side, size = min(feature.shape[2:]), layer.kernel_size
            sides[size] = min(side, sides.get(size, side))

    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, SAPA)}
    with calls(layers, look):
        yield
    for size, side in sides.items():
        if side < 2 * size:
            logger.warning(
                "SAPA upsamplers see maps of %d pixels with windows of %d, and most of these reach over the "
                "edge, where upsampler_border=zero loses a part of the kernel: larger crops, or "
                "upsampler_border=mask, train better",
                side,
                size,
            )


@contextmanager
def calls(layers: dict[str, SAPA], look: Callable[..., None]) -> Iterator[None]:
    """Have `look(name, layer, guide, feature)` called before every call of the layers."""
    handles = [
        layer.register_forward_pre_hook(lambda layer, maps, name=name: look(name, layer, *maps[:2]))
        for name, layer in layers.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
