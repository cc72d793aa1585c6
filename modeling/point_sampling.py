"""Bilinear reading of a map at arbitrary points, the step that DySample and SAPA-D share."""

import torch
import torch.nn.functional as F

from .guided_upsampler import GuidedUpsampler

GROUPS = 4  # as both operators are published


class PointSampler(GuidedUpsampler):
    """An upsampler that splits the feature's channels into 4 groups and reads each at points of its own.

    Args:
        guide_channels: Of the guide.
        feature_channels: Of the feature; a multiple of 4.

    Raises:
        ValueError: The feature's channels are not a multiple of 4.
    """

    doubles = True

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        if feature_channels % GROUPS:
            raise ValueError(
                f"feature_channels must be a multiple of {GROUPS}, because {type(self).__name__} splits them "
                f"into {GROUPS} groups; got {feature_channels}: project the feature to "
                f"{feature_channels + -feature_channels % GROUPS} channels first."
            )


def sample_points(groups: torch.Tensor, points: torch.Tensor, beyond: str) -> torch.Tensor:
    """Read every group of channels at its own points.

    Args:
        groups: (B, G, C, H, W).
        points: (B, G, P, H', W', 2), x before y, in feature positions: (0, 0) is the first position's centre.
        beyond: "zeros" or "border", what is read outside the map.

    Returns:
        (B, G, C, P, H', W') in the groups' dtype; arithmetic in the points' dtype.
    """
    batch, count, channels, height, width = groups.shape
    size = torch.tensor((width, height), dtype=points.dtype, device=points.device)
    grid = (2 * points + 1) / size - 1  # F.grid_sample's coordinates, -1 and 1 at the map's outer edges
    inner = points.shape[2:5]
    grid = grid.reshape(batch * count, inner[0] * inner[1], inner[2], 2)
    maps = groups.reshape(batch * count, channels, height, width).to(points.dtype)
    read = F.grid_sample(maps, grid, mode="bilinear", padding_mode=beyond, align_corners=False)
    return read.reshape(batch, count, channels, *inner).to(groups.dtype)


def pixel_positions(height: int, width: int, spread: float, like: torch.Tensor) -> torch.Tensor:
    """Give the point of each of the 2 x 2 pixels of every position: (2 * H, 2 * W, 2), x before y.

    Args:
        height: H.
        width: W.
        spread: How far from the position's centre its pixels lie: 0.25 is their own place, 0 the centre.
        like: A tensor on the device wanted, in the dtype wanted.
    """

    def axis(size: int) -> torch.Tensor:
        centre = torch.arange(size, device=like.device, dtype=like.dtype)[:, None]
        return (centre + torch.tensor((-spread, spread), device=like.device, dtype=like.dtype)).flatten()

    rows, columns = torch.meshgrid(axis(height), axis(width), indexing="ij")
    return torch.stack((columns, rows), dim=-1)
