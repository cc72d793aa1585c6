"""What takes the place of a transposed convolution: a 1 x 1 convolution, and an upsampler with a guide."""

import torch
from torch import nn

from ..modeling.guided_upsampler import GuidedUpsampler


class TransposedUpsampler(nn.Module):
    """Change the channels as a transposed convolution did on average, then upsample for a guide.

    Args:
        layer: The transposed convolution. The first weights are its own, averaged over the places inside a
            stride, so that a flat map becomes as bright as before. They are a copy: the layer keeps its own.
        upsampler: Takes `layer.out_channels`.
    """

    def __init__(self, layer: nn.ConvTranspose2d, upsampler: GuidedUpsampler):
        super().__init__()
        self.projection = nn.Conv2d(layer.in_channels, layer.out_channels, 1, bias=layer.bias is not None)
        self.upsampler = upsampler
        places = layer.stride[0] * layer.stride[1]
        with torch.no_grad():
            mean = layer.weight.sum((2, 3)).T / places  # (Cout, Cin)
            self.projection.weight.copy_(mean[:, :, None, None])
            if layer.bias is not None and self.projection.bias is not None:
                self.projection.bias.copy_(layer.bias)

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Bring (B, Cin, H, W) to (B, Cout, H', W') for a guide (B, Cg, H', W')."""
        return self.upsampler(guide, self.projection(feature))


def why_no_transposed(layer: nn.Module) -> str:
    """Say why `TransposedUpsampler` cannot stand for a layer; "" if it can."""
    if not isinstance(layer, nn.ConvTranspose2d):
        return "a transposed convolution whose weights are no nn.ConvTranspose2d's"
    return "a transposed convolution in groups" if layer.groups > 1 else ""
