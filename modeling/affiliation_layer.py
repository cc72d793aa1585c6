"""The operator as a layer without parameters, which the Hub's kernels can replace."""

import torch
from torch import nn

from .affiliation import affiliate
from .place_bias import PlaceBias

try:
    from kernels import use_kernel_forward_from_hub
except Exception:  # missing, from before there were layers, or at odds with what else is installed

    def use_kernel_forward_from_hub(layer_name: str):
        """Leave a layer as it is: there is nothing to replace it with."""
        return lambda layer: layer


@use_kernel_forward_from_hub("SapaAffiliation")
class SapaAffiliation(nn.Module):
    """`sapa_upsample` for arguments that are known to fit, with a softmax.

    `kernelize`, or transformers' `use_kernels=True`, replaces its forward where the caller has mapped this
    name to a kernel; the signature is the one of the kernel's layer. Nothing is mapped by itself.
    """

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        kernel_size: int = 5,
        border: str = "zero",
        normalization: str = "softmax",
        bias: PlaceBias | None = None,
    ) -> torch.Tensor:
        """Affiliate: (B, H', W', d), (B, H, W, d), (B, H, W, C) -> (B, H', W', C)."""
        return affiliate(query, key, value, kernel_size, border, normalization, bias=bias)
