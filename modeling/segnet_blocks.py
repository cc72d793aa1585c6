"""Encoder and decoder blocks of SegNet (2015)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .checkpointing import CheckpointedSequential
from .upsampler import UPSAMPLERS, build_upsampler


class SegNetLayer(nn.Module):
    """A 3 x 3 convolution, batch normalisation and ReLU.

    Args:
        channels: Of the input.
        out_channels: Of the output.
    """

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        return F.relu(self.norm(self.conv(hidden)))


class SegNetEncoder(nn.Module):
    """VGG-16's convolutions, with the places that its poolings took their maxima from.

    Args:
        channels: Of the images.
        sizes: Channels of each block.
        depths: Convolutions of each block.
    """

    def __init__(self, channels: int, sizes: Sequence[int], depths: Sequence[int]):
        super().__init__()
        widths = [channels, *sizes]
        self.blocks = nn.ModuleList(
            _block([before] + [size] * depth)
            for before, size, depth in zip(widths[:-1], sizes, depths, strict=True)
        )

    def forward(
        self, pixel_values: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
        """Encode.

        Args:
            pixel_values: (B, C, H, W).

        Returns:
            The last pooled map, each block's map before its pooling, finest first, and the pooling's indices:
            int64 and of the pooled map's shape. Odd sides round up.
        """
        hidden, maps, indices = pixel_values, [], []
        for block in self.blocks:
            maps.append(block(hidden))
            hidden, taken = F.max_pool2d(maps[-1], 2, ceil_mode=True, return_indices=True)
            indices.append(taken)
        return hidden, maps, indices


class SegNetDecoder(nn.Module):
    """The encoder mirrored: each step upsamples to the size of an encoder block, then convolves.

    Args:
        sizes: Channels of each encoder block.
        depths: Convolutions of each encoder block.
        num_labels: N, the classes.
        name: Of the upsampler.
        options: Of `build_upsampler`.
    """

    def __init__(self, sizes: Sequence[int], depths: Sequence[int], num_labels: int, name: str, **options):
        super().__init__()
        self.needs_indices = UPSAMPLERS[name].needs_indices
        finer = [sizes[0], *sizes[:-1]]  # the channels that each step hands on
        steps = list(zip(sizes, finer, depths, strict=True))[::-1]  # coarsest first
        self.upsamplers = nn.ModuleList(build_upsampler(name, size, size, **options) for size, *_ in steps)
        self.blocks = nn.ModuleList(
            # the classifier is the last convolution of the finest
            _block([size] * depth + [after] * (index < len(steps) - 1))
            for index, (size, after, depth) in enumerate(steps)
        )
        self.classifier = nn.Conv2d(sizes[0], num_labels, 3, padding=1)

    def forward(
        self, hidden: torch.Tensor, maps: Sequence[torch.Tensor], indices: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Decode.

        Args:
            hidden: The encoder's last pooled map.
            maps: The encoder's maps before each pooling, finest first.
            indices: Of the poolings, finest first.

        Returns:
            Logits (B, N, H, W).
        """
        steps = zip(self.upsamplers, self.blocks, reversed(maps), reversed(indices), strict=True)
        for upsampler, block, guide, taken in steps:
            extra = (taken,) if self.needs_indices else ()
            hidden = block(upsampler(guide, hidden, *extra))
        return self.classifier(hidden)


def _block(widths: Sequence[int]) -> CheckpointedSequential:
    return CheckpointedSequential(
        *(SegNetLayer(before, after) for before, after in zip(widths[:-1], widths[1:], strict=True))
    )
