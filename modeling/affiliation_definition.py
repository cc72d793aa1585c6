"""SAPA's affiliation as the paper defines it (Eq. 3 to 5): loops over the taps of a window.

This is the ground truth that the other implementations are compared with. It copies out every window, so it
needs K * K times the memory of query and output.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .place_bias import PlaceBias, logits_by_place
from .window import window_starts

EPSILON = 1e-6


def affiliation_by_definition(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int = 5,
    border: str = "zero",
    normalization: str = "softmax",
    bias: PlaceBias | None = None,
) -> torch.Tensor:
    """Sum every output pixel's window, weighted by similarity.

    Arguments are as in `sapa_upsample` and already checked. Works in the inputs' common dtype.

    Args:
        query: (B, H', W', d).
        key: (B, H, W, d).
        value: (B, H, W, C).
        kernel_size: Odd window size K.
        border: "zero", "mask" or "shift".
        normalization: "softmax", "relu", "sigmoid" or "softplus".
        bias: Logits by place, (H', K) and (W', K).

    Returns:
        (B, H', W', C).
    """
    reach = kernel_size // 2
    rows, columns = (
        window_starts(query.shape[axis], key.shape[axis], kernel_size, border, key.device) + reach
        for axis in (1, 2)
    )  # (H',) and (W',), in the padded maps
    inside = torch.ones_like(key[..., :1])
    key, value, inside = (F.pad(x, (0, 0, reach, reach, reach, reach)) for x in (key, value, inside))

    def found(positions: torch.Tensor, row: int, column: int) -> torch.Tensor:
        """Read what lies under one tap of every output pixel's window: (B, H', W', channels)."""
        return positions.index_select(1, rows + row).index_select(2, columns + column)

    taps = [(row, column) for row in range(kernel_size) for column in range(kernel_size)]
    keys = torch.stack([found(key, *tap) for tap in taps], -2)  # (B, H', W', K * K, d)
    values = torch.stack([found(value, *tap) for tap in taps], -2)  # (B, H', W', K * K, C)
    scores = (keys @ query[..., None])[..., 0]  # (B, H', W', K * K)
    if bias is not None:
        scores = scores + logits_by_place(bias)
    excluded = None
    if border == "mask":
        excluded = torch.cat([found(inside, *tap) for tap in taps], -1) == 0
    weights = normalise(scores, excluded, normalization)  # (B, H', W', K * K)
    return (weights[..., None, :] @ values)[..., 0, :]  # (B, H', W', C)


def normalise(scores: torch.Tensor, excluded: torch.Tensor | None, normalization: str) -> torch.Tensor:
    """Turn scores into weights that sum to 1, or to just under it for the paper's other kernels (Table 4).

    Args:
        scores: (..., taps).
        excluded: True for a tap that must weigh nothing; None where every tap counts.
        normalization: "softmax", "relu", "sigmoid" or "softplus".

    Returns:
        Weights of the scores' shape.
    """
    if normalization == "softmax":
        if excluded is not None:
            scores = scores.masked_fill(excluded, -torch.inf)
        return scores.softmax(-1)
    responses: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "relu": F.relu,
        "sigmoid": torch.sigmoid,
        "softplus": F.softplus,
    }
    response = responses[normalization](scores)
    if excluded is not None:
        response = response.masked_fill(excluded, 0)
    return response / (response.sum(-1, keepdim=True) + EPSILON)
