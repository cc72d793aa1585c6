"""The decoder of A2U matting with a choice of upsampler (Dai et al., CVPR 2021)."""

from collections.abc import Sequence

import torch
from torch import nn

from .checkpointing import CheckpointedSequential
from .matting_encoder import BasicBlock, MattingMaps
from .upsampler import build_upsampler

DILATIONS = (6, 12, 18)


def convolution(
    channels: int, out_channels: int, kernel_size: int, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    """Make a convolution without bias that keeps the size, batch normalisation and leaky ReLU."""
    padding = dilation * (kernel_size // 2)
    return nn.Sequential(
        nn.Conv2d(
            channels,
            out_channels,
            kernel_size,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.01),
    )


class AtrousPyramid(nn.Module):
    """Look at a map with several dilations and as a whole (DeepLab's ASPP, depthwise separable).

    Args:
        channels: Of the input, each branch and the output.
        dropout: Probability at the end.
    """

    def __init__(self, channels: int, dropout: float):
        super().__init__()
        separable = (
            nn.Sequential(
                convolution(channels, channels, 3, dilation, groups=channels),
                convolution(channels, channels, 1),
            )
            for dilation in DILATIONS
        )
        self.branches = nn.ModuleList([convolution(channels, channels, 1), *separable])
        self.whole = convolution(channels, channels, 1)
        self.fusion = convolution((len(DILATIONS) + 2) * channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to the same shape."""
        whole = self.whole(hidden.mean((2, 3), keepdim=True)).expand_as(hidden)
        views = [branch(hidden) for branch in self.branches]
        return self.dropout(self.fusion(torch.cat([*views, whole], dim=1)))


class MattingDecoder(nn.Module):
    """Climb from 1/16 to the photo's size: each of four steps upsamples, adds a shortcut and convolves.

    Args:
        in_channels: Of the images.
        sizes: Channels of the encoder's stem and stages.
        dropout: Probability after the atrous pyramid.
        name: Of the upsampler.
        options: Of `build_upsampler`.
    """

    def __init__(self, in_channels: int, sizes: Sequence[int], dropout: float, name: str, **options):
        super().__init__()
        stem, first, second, third = sizes
        guides = (third, second, stem, stem)  # coarsest first, as all lists here
        skips = (second, first, stem, in_channels)
        features = (third, second, first, stem)
        outputs = (second, first, stem, stem // 2)
        self.aspp = AtrousPyramid(third, dropout)
        self.upsamplers = nn.ModuleList(
            build_upsampler(name, guide, feature, **options)
            for guide, feature in zip(guides, features, strict=True)
        )
        self.shortcuts = nn.ModuleList(
            convolution(skip, feature, 3) for skip, feature in zip(skips, features, strict=True)
        )
        self.blocks = nn.ModuleList(
            CheckpointedSequential(BasicBlock(feature, output), BasicBlock(output, output))
            for feature, output in zip(features, outputs, strict=True)
        )
        self.prediction = nn.Sequential(
            convolution(stem // 2, 1, 3), nn.Conv2d(1, 1, 3, padding=1, bias=False)
        )

    def forward(self, pixel_values: torch.Tensor, maps: MattingMaps) -> torch.Tensor:
        """Decode.

        Args:
            pixel_values: The images that were encoded, (B, 4, H, W).
            maps: What the encoder made of them.

        Returns:
            Alpha (B, 1, H, W), in no fixed range.
        """
        _, first, second, third = maps.stages
        hidden = self.aspp(third)
        skips = (second, first, maps.guides[1], pixel_values)
        steps = zip(self.upsamplers, self.shortcuts, self.blocks, maps.guides[::-1], skips, strict=True)
        for upsampler, shortcut, block, guide, skip in steps:
            hidden = block(upsampler(guide, hidden) + shortcut(skip))
        return self.prediction(hidden)
