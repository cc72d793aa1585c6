"""SAPA-D: similarity with a few points that are free to move, in place of a fixed window."""

import torch
import torch.nn.functional as F
from torch import nn

from .guided_upsampler import crop_to_guide, pad_to_double
from .point_sampling import GROUPS, PointSampler, pixel_positions, sample_points

POINTS, GROUP_DIM = 9, 32


class SAPADeform(PointSampler):
    """The deformable variant of SAPA (Lu et al., On Point Affiliation, 2023): 4 groups of 9 points.

    A 1 x 1 convolution of the feature predicts for every output pixel and group where nine points lie around
    its position; keys and feature are read there bilinearly, zero outside the map. Softmax of the query's
    inner products with the nine keys weighs the nine reads. As released there is no normalisation before the
    projections.
    """

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        self.query = nn.Conv2d(guide_channels, GROUPS * GROUP_DIM, 1)
        self.key = nn.Conv2d(feature_channels, GROUPS * GROUP_DIM, 1)
        self.offset = nn.Conv2d(feature_channels, GROUPS * POINTS * 2 * 4, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters: normal weights of deviation 0.02, zero biases."""
        for layer in self.children():
            nn.init.normal_(layer.get_parameter("weight"), std=0.02)
            nn.init.zeros_(layer.get_parameter("bias"))

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Upsample (B, Cf, H, W) to the guide's (H', W')."""
        self.check_maps(guide, feature)
        points = self.points(feature)  # (B, G, P, 2 H, 2 W, 2)
        query = self.query(pad_to_double(guide, feature))
        query, key, value = (maps.unflatten(1, (GROUPS, -1)) for maps in (query, self.key(feature), feature))
        keys = sample_points(key.to(points.dtype), points, "zeros")  # (B, G, D, P, 2 H, 2 W)
        scores = (query[:, :, :, None].to(points.dtype) * keys).sum(2)  # (B, G, P, 2 H, 2 W)
        values = sample_points(value, points, "zeros")  # (B, G, C / G, P, 2 H, 2 W)
        output = (scores.softmax(2)[:, :, None] * values).sum(3)  # (B, G, C / G, 2 H, 2 W)
        return crop_to_guide(output.flatten(1, 2), guide).to(feature.dtype)

    def points(self, feature: torch.Tensor) -> torch.Tensor:
        """Say where pixels read: (B, Cf, H, W) -> (B, G, P, 2 * H, 2 * W, 2), x before y, in positions."""
        height, width = feature.shape[2:]
        offset = F.pixel_shuffle(self.offset(feature), 2)  # (B, G * P * 2, 2 * H, 2 * W)
        offset = offset.to(torch.promote_types(offset.dtype, torch.float32))
        offset = offset.unflatten(1, (GROUPS, POINTS, 2)).movedim(3, -1)  # (B, G, P, 2 H, 2 W, 2)
        return offset + pixel_positions(height, width, spread=0.0, like=offset)
