"""Features of many channels in colour, so that models can be compared.

Each model has one basis for all that is shown of it: the first three principal components of its
low-resolution decoder feature over all photos. The upsampled feature is projected on the same components and
has the same range, so within a model equal colours mean equal features. Between models the components are
different directions, in an order and with signs that chance decides; each model's are therefore given to red,
green and blue, and turned, as their maps correlate best with the first model's. They are never mixed.
"""

from collections.abc import Sequence
from itertools import permutations

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .step import UpsamplingStep

Channels = str | int | tuple[int, int, int]
Maps = list[tuple[Tensor, Tensor]]  # for each photo the feature and the upsampled feature, (3 or 1, H, W)
COMPONENTS = 3
SHOWN = (0.01, 0.99)  # quantiles of the values between no and full colour
SINGLE = (matplotlib.colormaps["viridis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)  # (256, 3)


def paint_steps(
    steps: Sequence[Sequence[UpsamplingStep]], channels: Channels = "pca"
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Paint every model's features before and after their upsampling.

    Args:
        steps: For each model its steps, one a photo.
        channels: "pca"; "mean" of all channels; a channel's number; or three numbers, shown as red, green
            and blue. Only principal components are brought into line with the first model's.

    Returns:
        For each model and photo the feature (H, W, 3) and the upsampled feature (H', W', 3), RGB uint8.

    Raises:
        ValueError: `channels` is none of these, or a model has no such channel.
    """
    check_channels(channels)
    painted, reference = [], None
    for own in steps:
        weights = _weights([step.feature for step in own], channels)  # (3 or 1, C)
        maps = [(_project(weights, step.feature), _project(weights, step.output)) for step in own]
        if channels == "pca" and reference is None:
            reference = [after for _, after in maps]
        elif channels == "pca":
            order, signs = _alignment([after for _, after in maps], reference)
            maps = [(before[order] * signs, after[order] * signs) for before, after in maps]
        painted.append(_colours(maps))
    return painted


def check_channels(channels: Channels) -> None:
    """Refuse what names no channels, before any model runs."""
    numbers = channels if isinstance(channels, tuple) else (channels,)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
    if channels not in ("pca", "mean") and not (whole and len(numbers) in (1, 3)):
        raise ValueError(f"channels are 'pca', 'mean', a number from 0, or three of them; got {channels!r}")


def _weights(features: list[Tensor], channels: Channels) -> Tensor:
    """Give the directions to look along, (3, C), or (1, C) for a single map."""
    count = features[0].shape[0]
    if channels == "pca":
        return principal_components(features)
    if channels == "mean":
        return torch.full((1, count), 1 / count)
    numbers = list(channels) if isinstance(channels, tuple) else [channels]
    if max(numbers) >= count:
        raise ValueError(f"there is no channel {max(numbers)}: the feature has {count}, counted from 0")
    return torch.eye(count)[numbers]


def principal_components(features: list[Tensor]) -> Tensor:
    """Find the three directions in which the positions of some maps differ most.

    Args:
        features: (C, H, W) each.

    Returns:
        (3, C), of length 1, the largest entry positive; zero where there are fewer than three.
    """
    positions = torch.cat([feature.flatten(1) for feature in features], dim=1).double()  # (C, N)
    directions, spread, _ = torch.linalg.svd(
        positions - positions.mean(1, keepdim=True), full_matrices=False
    )  # (C, R), (R,)
    directions = (directions * (spread > 1e-9 * spread[0].clamp(min=1e-30))).T[:COMPONENTS]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = directions * torch.where(largest < 0, -1, 1)
    return F.pad(directions, (0, 0, 0, COMPONENTS - len(directions))).float()


def _project(weights: Tensor, feature: Tensor) -> Tensor:
    """Look at a map along some directions: (R, C) and (C, H, W) -> (R, H, W)."""
    return torch.einsum("rc,chw->rhw", weights, feature)


def _alignment(maps: list[Tensor], reference: list[Tensor]) -> tuple[list[int], Tensor]:
    """Find the order and the signs, (3, 1, 1), in which maps correlate best with the first model's."""
    resized = [
        F.interpolate(own[None], size=theirs.shape[1:], mode="bilinear", align_corners=False)[0]
        for own, theirs in zip(maps, reference, strict=True)
    ]
    own, theirs = (torch.cat([m.flatten(1) for m in side], dim=1) for side in (resized, reference))  # (3, N)
    correlation = torch.corrcoef(torch.cat((own, theirs)))[
        :COMPONENTS, COMPONENTS:
    ].nan_to_num()  # own, theirs
    places = range(COMPONENTS)
    order = max(
        permutations(places), key=lambda order: sum(abs(correlation[order[i], i].item()) for i in places)
    )
    signs = torch.tensor([-1.0 if correlation[order[i], i] < 0 else 1.0 for i in places])
    return list(order), signs[:, None, None]


def _colours(maps: Maps) -> list[tuple[np.ndarray, np.ndarray]]:
    """Paint a model's maps, each component from its low to its high values over all of them."""
    values = np.concatenate([m.flatten(1).numpy() for pair in maps for m in pair], axis=1)  # (R, N)
    low, high = np.quantile(values, SHOWN, axis=1)[:, :, None, None]  # (R, 1, 1) each
    span = np.maximum(high - low, np.finfo(np.float32).tiny)

    def paint(projected: Tensor) -> np.ndarray:
        share = np.clip((projected.numpy() - low) / span, 0, 1)
        levels = (share * 255).round().astype(np.uint8)  # (R, H, W)
        return SINGLE[levels[0]] if len(levels) == 1 else levels.transpose(1, 2, 0)

    return [(paint(before), paint(after)) for before, after in maps]
