"""torchvision's feature pyramid with a choice of upsampler."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from .upsampler import build_upsampler


class SapaFeaturePyramid(nn.Module):
    """A feature pyramid whose coarser map is upsampled with the lateral map as guide.

    It takes the layers of torchvision's, under their names, so that its checkpoints fit.

    Args:
        pyramid: A `torchvision.ops.FeaturePyramidNetwork`.
        channels: C, of all its maps.
        name: Of the upsampler.
        options: Of `build_upsampler`.
    """

    def __init__(self, pyramid: nn.Module, channels: int, name: str, **options):
        super().__init__()
        parts = dict(pyramid.named_children())
        self.inner_blocks = cast(nn.ModuleList, parts["inner_blocks"])
        self.layer_blocks = cast(nn.ModuleList, parts["layer_blocks"])
        self.extra_blocks = parts["extra_blocks"]
        steps = len(self.inner_blocks) - 1
        self.upsamplers = nn.ModuleList(
            build_upsampler(name, channels, channels, **options) for _ in range(steps)
        )

    def forward(self, maps: Mapping[str, torch.Tensor]) -> OrderedDict[str, torch.Tensor]:
        """Merge a backbone's maps, finest first, into (B, C, H, W) of the same sizes and a coarser one."""
        names, encoded = list(maps), list(maps.values())
        laterals = [block(one) for block, one in zip(self.inner_blocks, encoded, strict=True)]
        merged = [laterals[-1]]  # coarsest first
        for lateral, upsampler in zip(laterals[-2::-1], list(self.upsamplers)[::-1], strict=True):
            # A strided map, as nearest gives, would have the convolution round otherwise than theirs does.
            merged.append(lateral + upsampler(lateral, merged[-1]).contiguous())
        results = [block(one) for block, one in zip(self.layer_blocks, reversed(merged), strict=True)]
        results, names = self.extra_blocks(results, encoded, names)
        return OrderedDict(zip(names, results, strict=True))
