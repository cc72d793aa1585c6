"""Layers by the Hub's rules: only a forward, no state; the host model owns the projections."""

import torch
from torch import nn

from ..affiliation import sapa_upsample

__all__ = ["SapaAffiliation"]


class SapaAffiliation(nn.Module):
    """Stands in for a module with the same forward that assembles values from query, key and value."""

    has_backward = True
    can_torch_compile = True

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        kernel_size: int = 5,
        border: str = "zero",
        normalization: str = "softmax",
        bias: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Run the compiled `sapa_upsample`: (B, H', W', d), (B, H, W, d), (B, H, W, C) -> (B, H', W', C)."""
        return sapa_upsample(query, key, value, kernel_size, border, normalization, bias)
