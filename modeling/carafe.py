"""CARAFE: kernels predicted from the low-resolution feature alone."""

import torch
import torch.nn.functional as F
from torch import nn

from .reassembly import KernelPredictor

COMPRESSED, ENCODER_SIZE = 64, 3


class CARAFE(KernelPredictor):
    """Content-aware reassembly of features (Wang et al., ICCV 2019), with the published 64 channels.

    A 1 x 1 convolution compresses the feature, a 3 x 3 convolution predicts the four kernels of every
    position. The guide gives nothing but its size.

    Args:
        guide_channels: Of the guide; not used.
        feature_channels: Of the feature.
        kernel_size: Odd window size K.
        border: "zero", as published, "mask" or "shift".
    """

    doubles = True

    def __init__(
        self, guide_channels: int, feature_channels: int, kernel_size: int = 5, border: str = "zero"
    ):
        super().__init__(guide_channels, feature_channels, kernel_size, border)
        self.compress = nn.Conv2d(feature_channels, COMPRESSED, 1)
        self.encode = nn.Conv2d(COMPRESSED, 4 * kernel_size**2, ENCODER_SIZE, padding=ENCODER_SIZE // 2)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters: Xavier, and for the kernels a normal of deviation 0.001."""
        nn.init.xavier_uniform_(self.compress.weight)
        nn.init.normal_(self.encode.weight, std=0.001)
        for layer in (self.compress, self.encode):
            nn.init.zeros_(layer.get_parameter("bias"))

    def logits(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Predict from the feature: (B, Cf, H, W) -> (B, K * K, 2 * H, 2 * W)."""
        return F.pixel_shuffle(self.encode(self.compress(feature)), 2)
