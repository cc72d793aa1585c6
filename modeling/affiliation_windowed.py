"""SAPA's affiliation written for tracing: the same sums, one row of taps at a time."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from .affiliation_definition import normalise
from .heads import batch_to_heads, heads_to_batch
from .place_bias import PlaceBias, logits_by_place
from .window import window_starts


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
    rows = _row_of_taps(value, query.shape[1:3], kernel_size, border)
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
        query: (B, H', W', d), or (B, H', W', n, d) with heads.
        key: (B, H, W, d), or (B, H, W, n, d).
        kernel_size: Odd window size K.
        border: "zero", "mask" or "shift".
        normalization: "softmax", "relu", "sigmoid" or "softplus".
        bias: Logits by place, (H', K) and (W', K).

    Returns:
        (B, H', W', K * K) or (B, H', W', n, K * K), taps row-major; under "zero" the taps outside the map
        keep their share.
    """
    if query.dim() == 5:
        maps = heads_to_batch(query), heads_to_batch(key)
        weights = affiliation_weights(*maps, kernel_size, border, normalization, bias)
        return batch_to_heads(weights, query.shape[3])
    scores = affiliation_logits(query, key, kernel_size, bias, border)
    excluded = None
    if border == "mask":
        inside = _row_of_taps(torch.ones_like(key[:1, :, :, :1]), query.shape[1:3], kernel_size, border)
        excluded = torch.cat([inside(row)[..., 0] for row in range(kernel_size)], dim=-1) == 0
    return normalise(scores, excluded, normalization)


def affiliation_logits(
    query: torch.Tensor,
    key: torch.Tensor,
    kernel_size: int = 5,
    bias: PlaceBias | None = None,
    border: str = "zero",
) -> torch.Tensor:
    """Give the logits that the kernels are normalised from; arguments and shape as above.

    A tap outside the map has the similarity 0, also under "mask".
    """
    if query.dim() == 5:
        maps = heads_to_batch(query), heads_to_batch(key)
        return batch_to_heads(affiliation_logits(*maps, kernel_size, bias, border), query.shape[3])
    keys = _row_of_taps(key, query.shape[1:3], kernel_size, border)
    by_row = [(query[:, :, :, None] * keys(row)).sum(-1) for row in range(kernel_size)]
    scores = torch.cat(by_row, dim=-1)
    return scores if bias is None else scores + logits_by_place(bias)


def _row_of_taps(
    positions: torch.Tensor, size: Sequence[int], kernel_size: int, border: str
) -> Callable[[int], torch.Tensor]:
    """Give a function from a row of the window to what all pixels find there: (B, H', W', K, C)."""
    reach = kernel_size // 2
    padded = F.pad(positions, (0, 0, reach, reach, reach, reach))
    rows, columns = (
        window_starts(high, low, kernel_size, border, positions.device) + reach
        for high, low in zip(size, positions.shape[1:3], strict=True)
    )  # (H',) and (W',), in the padded map
    columns = columns[:, None] + torch.arange(kernel_size, device=positions.device)  # (W', K)
    return lambda row: padded[:, rows + row][:, :, columns]
