"""FADE: kernels from guide and feature together, and a gate that lets the guide through."""

import torch
from torch import nn

from .reassembly import KernelPredictor
from .window import nearest

COMPRESSED = 64


class FADE(KernelPredictor):
    """Fusing the assets of decoder and encoder (Lu et al., ECCV 2022): semi-shift convolution and gate.

    Guide and feature are compressed to 64 channels; one 3 x 3 convolution serves both, each at its own
    resolution, and the sum of the results (the feature's repeated to the guide's size) are the logits of the
    kernels. The output is gate * guide + (1 - gate) * assembly, the gate predicted from the feature. Where
    guide and feature differ in channels there is nothing to mix, and so no gate, as in FADE's own detection
    models. Any ratio of sizes will do.

    Args:
        guide_channels: Of the guide.
        feature_channels: Of the feature.
        kernel_size: Odd window size K; published with 5.
        border: "zero", as published, "mask" or "shift".
    """

    def __init__(
        self, guide_channels: int, feature_channels: int, kernel_size: int = 5, border: str = "zero"
    ):
        super().__init__(guide_channels, feature_channels, kernel_size, border)
        self.compress_guide = nn.Conv2d(guide_channels, COMPRESSED, 1)
        self.compress_feature = nn.Conv2d(feature_channels, COMPRESSED, 1, bias=False)
        self.encode = nn.Conv2d(COMPRESSED, kernel_size**2, 3, padding=1)
        self.gate = nn.Conv2d(feature_channels, 1, 1) if guide_channels == feature_channels else None
        self.reassembles = self.gate is None  # the gate adds the guide, which no value map replaces
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters: Xavier weights, zero biases."""
        for layer in self.children():
            nn.init.xavier_uniform_(layer.get_parameter("weight"))
            if layer is not self.compress_feature:  # which has no bias
                nn.init.zeros_(layer.get_parameter("bias"))

    def logits(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Predict from both: (B, Cg, H', W') and (B, Cf, H, W) -> (B, K * K, H', W')."""
        from_guide = self.encode(self.compress_guide(guide))  # (B, K * K, H', W')
        from_feature = self.encode(self.compress_feature(feature))  # (B, K * K, H, W)
        return from_guide + _repeat(from_feature, guide)

    def forward(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Upsample (B, Cf, H, W) to the guide's (H', W'); only without a gate a value map may stand in."""
        if value is not None and self.gate is not None:
            raise TypeError(
                "This FADE takes no value map, because its gate adds the guide to the feature: apply what "
                "made the value map after the upsampling, to its output."
            )
        assembled = super().forward(guide, feature, value)
        if self.gate is None:
            return assembled
        gate = torch.sigmoid(_repeat(self.gate(feature), guide))  # (B, 1, H', W')
        return gate * guide + (1 - gate) * assembled


def _repeat(positions: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """Repeat each position over the pixels it centres: (B, C, H, W) -> (B, C, H', W')."""
    return nearest(positions.permute(0, 2, 3, 1), guide.shape[2:]).permute(0, 3, 1, 2)
