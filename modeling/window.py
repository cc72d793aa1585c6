"""Which feature positions an output pixel looks at: the window's geometry, in integers."""

from collections.abc import Sequence

import torch

from .checks import check_shift


def window_centres(guide_size: int, feature_size: int, device: torch.device | None = None) -> torch.Tensor:
    """Give the feature index at the centre of every output pixel's window.

    Args:
        guide_size: Output pixels along one axis, H'.
        feature_size: Feature positions along that axis, H.
        device: Where to put the indices.

    Returns:
        Integer tensor (H',): (i' * H) // H'. At an exact factor s this is the paper's floor(i' / s).
    """
    return torch.arange(guide_size, device=device) * feature_size // guide_size


def window_starts(
    guide_size: int,
    feature_size: int,
    kernel_size: int,
    border: str = "zero",
    device: torch.device | None = None,
) -> torch.Tensor:
    """Give the feature index under the first tap of every output pixel's window.

    Args:
        guide_size: Output pixels along one axis, H'.
        feature_size: Feature positions along that axis, H.
        kernel_size: Odd window size K.
        border: "shift" moves a window that reaches over the edge back inside; K must then be at most H. With
            the others windows may begin before the map and end behind it.
        device: Where to put the indices.

    Returns:
        Integer tensor (H',).
    """
    return starts_around(window_centres(guide_size, feature_size, device), feature_size, kernel_size, border)


def starts_around(
    centres: torch.Tensor, feature_size: int, kernel_size: int, border: str = "zero"
) -> torch.Tensor:
    """Give the first tap of the windows around some positions of an axis: integers of the centres' shape."""
    starts = centres - kernel_size // 2
    if border != "shift":
        return starts
    check_shift(feature_size, kernel_size)
    return starts.clamp(0, feature_size - kernel_size)


def nearest(feature: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Enlarge a channels-last map by repeating the value at each window's centre.

    `F.interpolate(mode="nearest")` computes its index in floating point and disagrees at some non-integer
    ratios.

    Args:
        feature: (B, H, W, C).
        size: (H', W'), the output size.

    Returns:
        (B, H', W', C).
    """
    batch, height, width, channels = feature.shape
    # An expanded view has the cheaper gradient, a sum; but an exported graph with symbolic sizes cannot ask
    # for it.
    if not torch.compiler.is_exporting() and size[0] % height == 0 and size[1] % width == 0:
        factors = size[0] // height, size[1] // width
        blocks = feature[:, :, None, :, None].expand(batch, height, factors[0], width, factors[1], channels)
        return blocks.reshape(batch, *size, channels)
    rows = window_centres(size[0], height, feature.device)
    columns = window_centres(size[1], width, feature.device)
    return feature.index_select(1, rows).index_select(2, columns)  # (B, H', W', C)


def query_slots(
    guide_size: int, feature_size: int, device: torch.device
) -> tuple[int, torch.Tensor, torch.Tensor]:
    """Sort the pixels of one axis into an equal number of slots for each feature position.

    At a non-integer ratio some positions are the centre of more pixels than others; giving each the largest
    number of slots turns any ratio into an integer factor. A surplus slot repeats a pixel and is never read
    back.

    Returns:
        The factor f = ceil(H' / H); the pixel in each slot, (H * f,); the slot of each pixel, (H',).
    """
    factor = -(-guide_size // feature_size)
    first = -(-torch.arange(feature_size, device=device) * guide_size // feature_size)  # ceil(h * H' / H)
    pixel_of_slot = first[:, None] + torch.arange(factor, device=device)  # (H, f)
    pixel_of_slot = pixel_of_slot.clamp(max=guide_size - 1).flatten()
    pixels = torch.arange(guide_size, device=device)
    centre = window_centres(guide_size, feature_size, device)
    return factor, pixel_of_slot, centre * factor + pixels - first[centre]
