"""Logits that fall with the distance between an output pixel and a tap: SAPA's start where bilinear is."""

import math

import torch
from torch import nn

from .window import window_starts

# At a factor of two the nearest taps lie 1/4 and 3/4 away and bilinear weighs them 3 to 1.
BILINEAR_FALLOFF = math.log(3) / (0.75**2 - 0.25**2)  # 2.197


class DistancePrior(nn.Module):
    """Prefer near taps: the logit of a tap falls by `falloff` times its squared distance from the pixel.

    Added to the similarities, it makes SAPA a joint bilateral kernel (Kopf et al., 2007) whose weight of
    distance is learnt. At first the nearest two taps have bilinear's ratio at a factor of two; a falloff of 0
    is the paper's SAPA. The falloff is not held above 0, where its gradient would end.
    """

    def __init__(self):
        super().__init__()
        self.falloff = nn.Parameter(torch.empty(1))  # not a scalar, which FSDP cannot shard
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the falloff to bilinear's."""
        nn.init.constant_(self.falloff, BILINEAR_FALLOFF)

    def forward(
        self,
        guide_size: tuple[int, int],
        feature_size: tuple[int, int],
        kernel_size: int,
        border: str = "zero",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the logits of the window's rows and columns; a tap's is the sum of both.

        Args:
            guide_size: (H', W').
            feature_size: (H, W).
            kernel_size: Odd window size K.
            border: Where windows lie, as in `window_starts`.

        Returns:
            (H', K) and (W', K).
        """
        rows, columns = (
            -self.falloff
            * tap_distances(high, low, kernel_size, border, self.falloff.device).to(self.falloff.dtype) ** 2
            for high, low in zip(guide_size, feature_size, strict=True)
        )
        return rows, columns


def tap_distances(
    guide_size: int,
    feature_size: int,
    kernel_size: int,
    border: str = "zero",
    device: torch.device | None = None,
) -> torch.Tensor:
    """Give how far each tap lies from its pixel's true place along one axis, in feature positions.

    The true place of pixel i' is (i' + 1/2) H / H' - 1/2, as in interpolation without aligned corners.

    Returns:
        float32 (H', K): positive where the tap lies before the pixel.
    """
    pixels = torch.arange(guide_size, device=device)
    starts = window_starts(guide_size, feature_size, kernel_size, border, device)
    taps = starts[:, None] + torch.arange(kernel_size, device=device)  # (H', K)
    # In whole numbers as long as possible: twice H' times the distance.
    numerator = ((2 * pixels + 1) * feature_size - guide_size)[:, None] - 2 * guide_size * taps
    return numerator / (2 * guide_size)
