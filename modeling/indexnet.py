"""IndexNet: an index map from the guide says how much of its position each pixel takes."""

import torch
import torch.nn.functional as F
from torch import nn

from .guided_upsampler import GuidedUpsampler, crop_to_guide, pad_to_double


class IndexNet(GuidedUpsampler):
    """The holistic index block with nonlinearity and context (Lu et al., Indices Matter, ICCV 2019).

    A 4 x 4 convolution of stride 2, batch normalisation, ReLU6 and a 1 x 1 convolution turn the guide into
    four indices a position; their sigmoid, one map for all channels, multiplies the nearest upsampling. This
    is the variant whose parameters the SAPA paper's tables count, 32 C^2 + 12 C; the IndexNet behind its mIoU
    was, by the published training log, a depthwise one without nonlinearity (16 C^2).

    Args:
        guide_channels: Of the guide.
        feature_channels: Of the feature.
    """

    reassembles = True
    doubles = True

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__(guide_channels, feature_channels)
        middle = 2 * guide_channels
        self.context = nn.Conv2d(guide_channels, middle, 4, stride=2, padding=1, bias=False)
        self.normalization = nn.BatchNorm2d(middle)
        self.index = nn.Conv2d(middle, 4, 1, bias=False)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does."""
        self.context.reset_parameters()
        self.index.reset_parameters()
        norm = self.normalization  # spelled out: its own way would overwrite averages that were loaded
        for ones in (norm.weight, norm.get_buffer("running_var")):
            nn.init.ones_(ones)
        for zeros in (norm.bias, norm.get_buffer("running_mean")):
            nn.init.zeros_(zeros)

    def index_map(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Read every pixel's share of its position from the guide: (B, 1, H', W') in 0..1."""
        hidden = F.relu6(self.normalization(self.context(pad_to_double(guide, feature))))  # (B, 2 Cg, H, W)
        return crop_to_guide(F.pixel_shuffle(self.index(hidden), 2).sigmoid(), guide)

    def forward(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Upsample (B, Cf, H, W), or a value map (B, Cv, H, W) instead, to the guide's (H', W')."""
        self.check_maps(guide, feature, value)
        value = feature if value is None else value
        repeated = value.repeat_interleave(2, 2).repeat_interleave(2, 3)  # (B, C, 2 * H, 2 * W)
        return crop_to_guide(repeated, guide) * self.index_map(guide, feature)

    def kernels(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Give the index map as kernels of one tap, (B, H', W', 1)."""
        self.check_maps(guide, feature)
        return self.index_map(guide, feature).permute(0, 2, 3, 1)
