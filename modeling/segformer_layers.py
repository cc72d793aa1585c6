"""The layers of SegFormer's decode head: one projects a stage, one fuses them all."""

import torch
import torch.nn.functional as F
from torch import nn


class StageProjection(nn.Module):
    """Project one encoder stage to the head's width, as SegFormer's linear_c layers do."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.proj = nn.Linear(in_channels, out_channels)

    def forward(self, stage: torch.Tensor) -> torch.Tensor:
        """Map (B, Ci, H, W) to (B, D, H, W)."""
        batch, _, height, width = stage.shape
        tokens = self.proj(stage.flatten(2).transpose(1, 2))  # (B, H * W, D)
        return tokens.transpose(1, 2).reshape(batch, -1, height, width)


class StageFusion(nn.Conv2d):
    """A 1 x 1 convolution without bias of the concatenated stages, which can also take one of them alone.

    Made with the arguments of any convolution: adapters make layers of their base layer's class.
    """

    def forward(self, maps: torch.Tensor, stage: int | None = None) -> torch.Tensor:
        """Fuse (B, stages * D, H, W), or give the share of one stage (B, D, H, W): -> (B, D, H, W)."""
        if stage is None:
            return super().forward(maps)
        return F.conv2d(maps, self.weight.split(maps.shape[1], dim=1)[stage])
