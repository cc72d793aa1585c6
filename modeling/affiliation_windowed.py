"""SAPA's affiliation written for tracing: the same sums, one row of taps at a time."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from .affiliation_definition import normalise
from .place_bias import PlaceBias, logits_by_place
from .window import window_centres


def windowed_affiliation(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int,
    border: str,
    normalization: str,
    bias: PlaceBias | None = None,
) -> torch.Tensor:
    """Assemble every output pixel by gathering its window; arguments and result as `tiled_affiliation`'s.

    It asks nothing of the sizes (no tiles, no integer factor), so graphs with symbolic sizes stay small, and
    a compiler fuses the gathers. Run eagerly it is slower than tiles and needs K times the output's memory.
    """
    weights = affiliation_weights(query, key, kernel_size, border, normalization, bias)  # (B, H', W', K * K)
    rows = _row_of_taps(value, query.shape[1:3], kernel_size)
    first, *others = weights.split(kernel_size, dim=-1)  # (B, H', W', K) each
    output = (first[..., None] * rows(0)).sum(-2)
    for row, row_weights in enumerate(others, start=1):
        output = output + (row_weights[..., None] * rows(row)).sum(-2)
    return output  # (B, H', W', C)


def affiliation_weights(
    query: torch.Tensor,
    key: torch.Tensor,
    kernel_size: int = 5,
    border: str = "zero",
    normalization: str = "softmax",
    bias: PlaceBias | None = None,
) -> torch.Tensor:
    """Give the upsampling kernel of every output pixel.

    Args:
        query: (B, H', W', d).
        key: (B, H, W, d).
        kernel_size: Odd window size K.
        border: "zero" or "mask".
        normalization: "softmax", "relu", "sigmoid" or "softplus".
        bias: Logits by place, (H', K) and (W', K).

    Returns:
        (B, H', W', K * K), taps row-major; under "zero" the taps outside the map keep their share.
    """
    scores = affiliation_logits(query, key, kernel_size, bias)
    excluded = None
    if border == "mask":
        inside = _row_of_taps(torch.ones_like(key[:1, :, :, :1]), query.shape[1:3], kernel_size)
        excluded = torch.cat([inside(row)[..., 0] for row in range(kernel_size)], dim=-1) == 0
    return normalise(scores, excluded, normalization)


def affiliation_logits(
    query: torch.Tensor, key: torch.Tensor, kernel_size: int = 5, bias: PlaceBias | None = None
) -> torch.Tensor:
    """Give the logits that the kernels are normalised from: (B, H', W', K * K); arguments as above.

    A tap outside the map has the similarity 0.
    """
    keys = _row_of_taps(key, query.shape[1:3], kernel_size)
    by_row = [(query[:, :, :, None] * keys(row)).sum(-1) for row in range(kernel_size)]
    scores = torch.cat(by_row, dim=-1)
    return scores if bias is None else scores + logits_by_place(bias)


def _row_of_taps(
    positions: torch.Tensor, size: Sequence[int], kernel_size: int
) -> Callable[[int], torch.Tensor]:
    """Give a function from a row of the window to what all pixels find there: (B, H', W', K, C)."""
    reach = kernel_size // 2
    padded = F.pad(positions, (0, 0, reach, reach, reach, reach))
    rows = window_centres(size[0], positions.shape[1], positions.device)  # (H',)
    columns = window_centres(size[1], positions.shape[2], positions.device)  # (W',)
    columns = columns[:, None] + torch.arange(kernel_size, device=positions.device)  # (W', K)
    return lambda row: padded[:, rows + row][:, :, columns]
