"""Pixel shuffle: channels of a low-resolution convolution become pixels."""

import torch
import torch.nn.functional as F
from torch import nn

from .guided_upsampler import GuidedUpsampler, crop_to_guide


class PixelShuffle(GuidedUpsampler):
    """A 3 x 3 convolution to four times the channels, laid out as 2 x 2 pixels (Shi et al., CVPR 2016).

    Args:
        guide_channels: Of the guide; only its size is used.
        feature_channels: Of the feature.
    """

    doubles = True

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        self.convolution = nn.Conv2d(feature_channels, 4 * feature_channels, 3, padding=1)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does."""
        self.convolution.reset_parameters()

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Upsample (B, Cf, H, W) to the guide's (H', W')."""
        self.check_maps(guide, feature)
        return crop_to_guide(F.pixel_shuffle(self.convolution(feature), 2), guide)
