"""The upsamplers that look at no guide but its size: nearest and bilinear."""

import torch
import torch.nn.functional as F

from .guided_upsampler import GuidedUpsampler
from .window import nearest


class Nearest(GuidedUpsampler):
    """Repeat each feature position over the pixels whose window it centres."""

    reassembles = True

    def forward(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Upsample (B, Cf, H, W), or a value map instead, to the guide's (H', W')."""
        self.check_maps(guide, feature, value)
        value = feature if value is None else value
        return nearest(value.permute(0, 2, 3, 1), guide.shape[2:]).permute(0, 3, 1, 2)


class Bilinear(GuidedUpsampler):
    """Interpolate linearly between the four nearest positions, pixel centres aligned as transformers does."""

    reassembles = True

    def forward(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Upsample (B, Cf, H, W), or a value map instead, to the guide's (H', W')."""
        self.check_maps(guide, feature, value)
        value = feature if value is None else value
        return F.interpolate(value, size=guide.shape[2:], mode="bilinear", align_corners=False)
