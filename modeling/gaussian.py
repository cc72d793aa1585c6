"""A Gaussian of the distance alone: where SAPA with a bilinear start begins, without its similarity."""

import torch

from .affiliation import affiliate
from .affiliation_windowed import affiliation_weights
from .checks import BORDERS, check_choice, check_kernel_size
from .distance_prior import DistancePrior
from .guided_upsampler import GuidedUpsampler


class Gaussian(GuidedUpsampler):
    """Average a window with weights that fall with the distance; how fast is the one learnt number.

    It looks at no guide but its size. As a control it shows what SAPA's start alone is worth.

    Args:
        guide_channels: Of the guide.
        feature_channels: Of the feature.
        kernel_size: Odd window size K.
        border: "zero", "mask" or "shift", as in `sapa_upsample`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The kernel size is even, or the border unknown.
    """

    reassembles = True

    def __init__(
        self, guide_channels: int, feature_channels: int, kernel_size: int = 5, border: str = "zero"
    ):
        super().__init__(guide_channels, feature_channels)
        check_kernel_size(kernel_size)
        check_choice("border", border, BORDERS)
        self.kernel_size, self.border = kernel_size, border
        self.prior = DistancePrior()

    def reset_parameters(self) -> None:
        """Initialise the falloff to bilinear's."""
        self.prior.reset_parameters()

    def forward(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Upsample (B, Cf, H, W), or a value map instead of it, to the guide's (H', W')."""
        self.check_maps(guide, feature, value)
        value = (feature if value is None else value).permute(0, 2, 3, 1)  # (B, H, W, C)
        bias = self.prior(guide.shape[2:], feature.shape[2:], self.kernel_size, self.border)
        output = affiliate(*_alike(guide, feature), value, self.kernel_size, self.border, bias=bias)
        return output.permute(0, 3, 1, 2)

    def kernels(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Give the upsampling kernels, (B, H', W', K * K)."""
        self.check_maps(guide, feature)
        bias = self.prior(guide.shape[2:], feature.shape[2:], self.kernel_size, self.border)
        return affiliation_weights(*_alike(guide, feature), self.kernel_size, self.border, bias=bias)


def _alike(guide: torch.Tensor, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give queries and keys whose products are all 0: (B, H', W', 1) and (B, H, W, 1)."""
    query, key = (maps.new_zeros(maps.shape[0], *maps.shape[2:], 1) for maps in (guide, feature))
    return query, key
