"""DySample: sample the feature at points that the feature itself shifts."""

import torch
import torch.nn.functional as F
from torch import nn

from .guided_upsampler import crop_to_guide
from .point_sampling import GROUPS, PointSampler, pixel_positions, sample_points

REACH = 0.25  # of a position, a unit of predicted offset; keeps neighbours' points from crossing


class DySample(PointSampler):
    """Dynamic sampling, "linear, then pixel shuffle", with the published 4 groups (Liu et al., ICCV 2023).

    A 1 x 1 convolution predicts for each of the four pixels of a position, and each group of channels, how
    far from its own place the feature is read, bilinearly. The guide gives only its size. Beyond the border
    the nearest position is read.
    """

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        self.offset = nn.Conv2d(feature_channels, 2 * GROUPS * 4, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters, so small that the first upsampling is bilinear."""
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.offset.get_parameter("bias"))

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Upsample (B, Cf, H, W) to the guide's (H', W')."""
        self.check_maps(guide, feature)
        batch, channels, height, width = feature.shape
        offset = F.pixel_shuffle(self.offset(feature), 2)  # (B, 2 * G, 2 * H, 2 * W)
        offset = offset.unflatten(1, (2, GROUPS)).permute(0, 2, 3, 4, 1)  # (B, G, 2 H, 2 W, 2), x before y
        offset = REACH * offset.to(torch.promote_types(offset.dtype, torch.float32))
        points = offset + pixel_positions(height, width, spread=0.25, like=offset)
        groups = feature.unflatten(1, (GROUPS, -1))  # (B, G, C / G, H, W)
        output = sample_points(groups, points[:, :, None], "border")  # (B, G, C / G, 1, 2 H, 2 W)
        return crop_to_guide(output.reshape(batch, channels, 2 * height, 2 * width), guide)
