"""Bilinear additive upsampling: bilinear interpolation of summed channels, and a convolution back."""

import torch
import torch.nn.functional as F
from torch import nn

from .guided_upsampler import GuidedUpsampler, crop_to_guide

SUMMED = 4  # consecutive channels


class BilinearAdditive(GuidedUpsampler):
    """Sums four channels at a time, doubles the sums bilinearly and convolves them to the feature's channels.

    Wojna et al., "The Devil is in the Decoder" (BMVC 2017). The sum comes first, which is the same and a
    quarter of the interpolation.

    Args:
        guide_channels: Of the guide; only its size is used.
        feature_channels: Of the feature, a multiple of 4.

    Raises:
        ValueError: The feature's channels are not a multiple of 4.
    """

    doubles = True

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        if feature_channels % SUMMED:
            raise ValueError(
                f"feature_channels must be a multiple of {SUMMED} for BilinearAdditive, which sums as many "
                f"at a time, got {feature_channels}."
            )
        self.convolution = nn.Conv2d(feature_channels // SUMMED, feature_channels, 3, padding=1)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does."""
        self.convolution.reset_parameters()

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Upsample (B, Cf, H, W) to the guide's (H', W')."""
        self.check_maps(guide, feature)
        sums = feature.unflatten(1, (-1, SUMMED)).sum(2)  # (B, Cf / 4, H, W)
        doubled = F.interpolate(sums, scale_factor=2, mode="bilinear", align_corners=False)
        return crop_to_guide(self.convolution(doubled), guide)
