"""The encoder of A2U matting: ResNet-34 whose stem keeps the resolution (Dai et al., CVPR 2021)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .checkpointing import CheckpointedSequential


def activate(hidden: torch.Tensor) -> torch.Tensor:
    """Apply the leaky ReLU that follows every normalisation."""
    return F.leaky_relu(hidden, 0.01)


class BasicBlock(nn.Module):
    """ResNet's basic block, whose convolutions keep the resolution.

    Args:
        channels: Of the input.
        out_channels: Of the output; another number gives the shortcut a 1 x 1 convolution.
        stride: 2 pools the map by its maxima between the convolutions; 1 keeps its size.
    """

    def __init__(self, channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        return self.join(hidden, activate(self.bn1(self.conv1(hidden))))

    def join(self, hidden: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
        """Add the second convolution of the inner map to the shortcut of the input."""
        return activate(self.bn2(self.conv2(inner)) + self.downsample(hidden))


class PoolingBlock(BasicBlock):
    """A basic block that halves the map, and also gives what its pooling took in: a guide."""

    def __init__(self, channels: int, out_channels: int):
        super().__init__(channels, out_channels, stride=2)

    def forward(  # type: ignore[override]  # two maps
        self, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (B, C, H, W) to (B, C', H/2, W/2) and the guide (B, C', H, W)."""
        guide = activate(self.bn1(self.conv1(hidden)))
        return self.join(hidden, F.max_pool2d(guide, 2)), guide


class MattingMaps(NamedTuple):
    """The encoder's maps: stages as ResNet has them, and the decoder's guides, each finest first.

    Attributes:
        stages: At 1/1, 1/4, 1/8 and 1/16.
        guides: At 1/1, 1/2, 1/4 and 1/8.
    """

    stages: tuple[torch.Tensor, ...]
    guides: tuple[torch.Tensor, ...]


class MattingEncoder(nn.Module):
    """The stem at full resolution and three stages of basic blocks.

    The stem's convolution of four channels is kept in two parts, photo and trimap, whose results are added:
    so ImageNet weights fit the first.

    Args:
        sizes: Channels of the stem and the stages.
        depths: Blocks of the stages.
    """

    def __init__(self, sizes: Sequence[int], depths: Sequence[int]):
        super().__init__()
        stem, first, second, third = sizes
        self.conv1 = nn.Conv2d(3, stem, 7, padding=3, bias=False)
        self.trimap_conv = nn.Conv2d(1, stem, 7, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = _blocks(stem, first, depths[0])
        self.pooling2 = PoolingBlock(first, second)
        self.layer2 = _blocks(second, second, depths[1] - 1)
        self.pooling3 = PoolingBlock(second, third)
        self.layer3 = _blocks(third, third, depths[2] - 1)

    def forward(self, pixel_values: torch.Tensor) -> MattingMaps:
        """Encode (B, 4, H, W), both sides multiples of 16."""
        photo, trimap = pixel_values[:, :3], pixel_values[:, 3:]
        stem = activate(self.bn1(self.conv1(photo) + self.trimap_conv(trimap)))  # at 1/1
        pooled = F.max_pool2d(stem, 2)  # at 1/2
        first = self.layer1(F.max_pool2d(pooled, 2))  # at 1/4
        second, guide2 = self.pooling2(first)  # at 1/8, its guide at 1/4
        second = self.layer2(second)
        third, guide3 = self.pooling3(second)  # at 1/16, its guide at 1/8
        third = self.layer3(third)
        return MattingMaps((stem, first, second, third), (stem, pooled, guide2, guide3))


def _blocks(channels: int, out_channels: int, depth: int) -> CheckpointedSequential:
    inputs = [channels] + [out_channels] * (depth - 1)
    return CheckpointedSequential(*(BasicBlock(size, out_channels) for size in inputs[:depth]))
