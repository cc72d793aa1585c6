"""PixelTCL: a transposed convolution whose neighbouring pixels depend on each other."""

import torch
from torch import nn

from .guided_upsampler import GuidedUpsampler, crop_to_guide


class PixelTCL(GuidedUpsampler):
    """Makes the pixels of a doubled map one after the other (Gao et al., "Pixel Transposed Convolution").

    A first 3 x 3 convolution of the feature gives the pixels of even row and column. A second one, of the
    first's result, gives those of odd row and column. A third one, of the two laid out at the high
    resolution, fills the rest. The release's activation is left out, as an upsampled feature may be
    negative. Its other variant, which also reads the feature in the second step, is not here.

    Args:
        guide_channels: Of the guide; only its size is used.
        feature_channels: Of the feature.
    """

    doubles = True

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        self.first, self.diagonal, self.between = (
            nn.Conv2d(feature_channels, feature_channels, 3, padding=1, bias=False) for _ in range(3)
        )

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does."""
        for convolution in (self.first, self.diagonal, self.between):
            convolution.reset_parameters()

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Upsample (B, Cf, H, W) to the guide's (H', W')."""
        self.check_maps(guide, feature)
        first = self.first(feature)  # (B, Cf, H, W)
        diagonal = self.diagonal(first)
        nothing = torch.zeros_like(first)
        made = interleave(first, nothing, nothing, diagonal)  # (B, Cf, 2 * H, 2 * W)
        between = self.between(made)
        rest = torch.ones_like(first)
        return crop_to_guide(made + interleave(nothing, rest, rest, nothing) * between, guide)


def interleave(*quarters: torch.Tensor) -> torch.Tensor:
    """Lay four (B, C, H, W) out as the upper left, upper right, lower left and lower right of 2 x 2 pixels.

    Returns:
        (B, C, 2 * H, 2 * W).
    """
    upper_left, upper_right, lower_left, lower_right = quarters
    upper = torch.stack((upper_left, upper_right), dim=-1).flatten(-2)  # (B, C, H, 2 * W)
    lower = torch.stack((lower_left, lower_right), dim=-1).flatten(-2)
    return torch.stack((upper, lower), dim=-2).flatten(-3, -2)
