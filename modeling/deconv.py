"""Deconvolution: the learned upsampling of early decoders."""

import torch
from torch import nn

from .guided_upsampler import GuidedUpsampler, crop_to_guide


class Deconv(GuidedUpsampler):
    """A 3 x 3 transposed convolution of stride 2 that keeps the channels; the guide gives only its size.

    Args:
        guide_channels: Of the guide; not used.
        feature_channels: Of the feature.
    """

    doubles = True

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        self.convolution = nn.ConvTranspose2d(
            feature_channels, feature_channels, 3, stride=2, padding=1, output_padding=1
        )

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does."""
        self.convolution.reset_parameters()

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Upsample (B, Cf, H, W) to the guide's (H', W')."""
        self.check_maps(guide, feature)
        return crop_to_guide(self.convolution(feature), guide)
