"""BTS's local planar guidance: every position of a coarse map is a plane in space."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# The steepest planes meet the ray at a tile's corner in a point at infinity, or behind the camera; the
# smallest denominator keeps such a depth finite and positive.
SMALLEST = 0.05


class Reduction(nn.Sequential):
    """1 x 1 convolutions that halve the channels down to 8 and then give the wanted few.

    Args:
        in_channels: Channels that come.
        first_channels: Channels after the first convolution, if that is 8 or more.
        out_channels: Channels that leave, without an activation.
    """

    def __init__(self, in_channels: int, first_channels: int, out_channels: int):
        layers, channels = [], first_channels
        while channels >= 8:
            layers += [nn.Conv2d(in_channels, channels, kernel_size=1, bias=False), nn.ELU()]
            in_channels, channels = channels, channels // 2
        layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False))
        super().__init__(*layers)


class LocalPlanarGuidance(nn.Module):
    """Turn a feature at 1/k of the image into full-resolution depth, one plane for each k x k tile.

    Each position gives a plane's polar angle (up to 60 degrees, so that it faces the camera), azimuth and
    distance; the depth of the tile's pixels is where their rays meet it (Lee et al., 2019, Eq. 1 to 3).

    Args:
        in_channels: Channels of the feature.
        first_channels: Where the reduction starts.
        factor: k.
    """

    def __init__(self, in_channels: int, first_channels: int, factor: int):
        super().__init__()
        self.reduction = Reduction(in_channels, first_channels, out_channels=3)
        self.factor = factor

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to depth (B, 1, k * H, k * W) as a share of the largest depth."""
        polar, azimuth, distance = torch.sigmoid(self.reduction(feature)).split(1, dim=1)  # (B, 1, H, W) each
        polar, azimuth = polar * (math.pi / 3), azimuth * (2 * math.pi)
        normal = torch.cat(
            (polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos(), distance), dim=1
        )
        x, y, z, distance = F.interpolate(normal, scale_factor=self.factor, mode="nearest").split(1, dim=1)
        height, width = feature.shape[2:]
        steps = (torch.arange(self.factor, device=feature.device) - (self.factor - 1) / 2) / self.factor
        steps = steps.to(feature.dtype)
        u = steps.repeat(width)  # (k * W,), place within the tile
        v = steps.repeat(height)[:, None]  # (k * H, 1)
        return distance / (x * u + y * v + z).clamp(min=SMALLEST)
