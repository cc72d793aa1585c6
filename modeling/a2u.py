"""A2U: kernels from a second-order statistic of the guide."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from .reassembly import KernelPredictor

KERNEL_SIZE = 3
FILTER_SIZE = 6


class SmallMapGroupNorm(nn.GroupNorm):
    """Group normalisation that takes a map of 1 x 1 in groups of one channel too, which PyTorch's refuses."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Normalise (B, C, H, W)."""
        return torch.group_norm(maps, self.num_groups, self.weight, self.bias, self.eps)


class A2U(KernelPredictor):
    """Affinity-aware upsampling's upsampling branch, shared over channels (Dai et al., CVPR 2021).

    Two 6 x 6 filters, themselves read from the pooled guide, are applied to every channel of the guide with
    stride 2. The channels' normalised products, averaged, say how alike the surroundings are; 36 coefficients
    from the guide's mean turn that one number into the four 3 x 3 kernels of each position.

    As published the window is 3 x 3, whatever kernel size other upsamplers have. Groups of the normalisation
    are 32, or as many as divide both 32 and the channels. The paper's module also has a downsampling branch
    (78 C + 74 parameters with it, 42 C + 38 without), which upsampling does not need.

    Args:
        guide_channels: C, of the guide.
        feature_channels: Of the feature.
        border: "zero", as published, "mask" or "shift".
    """

    doubles = True

    def __init__(self, guide_channels: int, feature_channels: int, border: str = "zero"):
        super().__init__(guide_channels, feature_channels, KERNEL_SIZE, border)
        groups = math.gcd(32, guide_channels)
        self.filters = nn.ModuleList(nn.Conv2d(guide_channels, 1, 1) for _ in range(2))
        self.norms = nn.ModuleList(SmallMapGroupNorm(groups, guide_channels) for _ in range(2))
        self.coefficients = nn.Conv2d(guide_channels, 4 * KERNEL_SIZE**2, 1)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as PyTorch does."""
        for layer in (*self.filters, *self.norms, self.coefficients):
            layer.reset_parameters()

    def logits(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Predict from the guide: (B, Cg, H', W') -> (B, 9, 2 * H, 2 * W), in 0..1."""
        if guide.shape[0] == 0:  # a convolution needs a group
            return guide.new_zeros(0, KERNEL_SIZE**2, 2 * feature.shape[2], 2 * feature.shape[3])
        left, right = (
            self._filtered(guide, feature, *layers) for layers in zip(self.filters, self.norms, strict=True)
        )
        affinity = (left * right).sum(1, keepdim=True) / math.sqrt(self.guide_channels)  # (B, 1, H, W)
        kernels = affinity * self.coefficients(F.adaptive_avg_pool2d(guide, 1))  # (B, 36, H, W)
        return F.pixel_shuffle(kernels, 2).sigmoid()

    def _filtered(
        self, guide: torch.Tensor, feature: torch.Tensor, to_filter: nn.Module, norm: nn.Module
    ) -> torch.Tensor:
        """Pass the image's own filter over all channels: (B, Cg, H', W') -> (B, Cg, H, W)."""
        batch = guide.shape[0]
        own = to_filter(F.adaptive_avg_pool2d(guide, FILTER_SIZE))  # (B, 1, 6, 6)
        (height, width), (low_height, low_width) = guide.shape[2:], feature.shape[2:]
        bottom, right = 2 + 2 * low_height - height, 2 + 2 * low_width - width
        # Images take the place of channels, so that one grouped convolution serves the batch.
        maps = F.pad(guide.transpose(0, 1), (2, right, 2, bottom))  # (Cg, B, H' + 4, W' + 4)
        filtered = F.conv2d(maps, own, stride=2, groups=batch).transpose(0, 1)  # (B, Cg, H, W)
        return F.leaky_relu(norm(filtered))
