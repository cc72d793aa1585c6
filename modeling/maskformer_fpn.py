"""The top-down step of MaskFormer's pixel decoder with a choice of upsampler."""

import torch
from transformers.models.maskformer.modeling_maskformer import MaskFormerFPNConvLayer, MaskFormerFPNLayer

from .upsampler import build_upsampler


class FPNBlock(MaskFormerFPNConvLayer):
    """transformers' convolution, group normalisation and ReLU, called by name: an adapter may replace one."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        for layer in self.children():
            hidden = layer(hidden)
        return hidden


class SapaMaskFormerFPNLayer(MaskFormerFPNLayer):
    """transformers' layer, whose coarser map is upsampled with the lateral map as guide.

    Args:
        channels: Of both maps.
        lateral_channels: Of the encoder's map.
        name: Of the upsampler.
        options: Of `build_upsampler`.
    """

    def __init__(self, channels: int, lateral_channels: int, name: str, **options):
        super().__init__(channels, lateral_channels)
        self.block = FPNBlock(channels, channels)
        self.upsampler = build_upsampler(name, channels, channels, **options)

    def forward(self, down: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
        """Merge the coarser map (B, C, H, W) with the encoder's (B, C', H', W') into (B, C, H', W')."""
        left = self.proj(left)  # (B, C, H', W')
        # A strided map, as nearest gives, would have the convolution round otherwise than transformers' does.
        return self.block(self.upsampler(left, down).contiguous() + left)
