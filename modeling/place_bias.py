"""Logits by place: tables of what each row and each column of a window adds to the similarities."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from .window import window_starts

# rows (H', K) and columns (W', K): pixel (i', j') gives tap (y, x) the logit rows[i', y] + columns[j', x].
PlaceBias = tuple[torch.Tensor, torch.Tensor]


def logits_by_place(bias: PlaceBias) -> torch.Tensor:
    """Spread the tables over the taps of every output pixel: (H', W', K * K), taps row-major."""
    rows, columns = bias
    return (rows[:, None, :, None] + columns[None, :, None, :]).flatten(2)


def biased_query(
    query: torch.Tensor,
    bias: PlaceBias,
    feature_size: Sequence[int],
    kernel_size: int,
    border: str = "zero",
) -> torch.Tensor:
    """Append each pixel's bias to its query, by the marks of the positions under its taps.

    A window holds each row of the map modulo K exactly once, and each column. So a key marks its two
    remainders, and a query holds the bias of the tap that each remainder falls on: their product
    is the bias.

    Args:
        query: (B, H', W', d).
        bias: Of rows and columns.
        feature_size: (H, W).
        kernel_size: Odd window size K.
        border: Where windows lie, as in `window_starts`.

    Returns:
        (B, H', W', d + 2 * K).
    """
    rows, columns = (
        _by_remainder(table.to(query.dtype), size, kernel_size, border)
        for table, size in zip(bias, feature_size, strict=True)
    )
    shape = (*query.shape[:3], kernel_size)
    return torch.cat((query, rows[None, :, None].expand(shape), columns[None, None].expand(shape)), -1)


def place_marks(rows: torch.Tensor, columns: torch.Tensor, kernel_size: int) -> torch.Tensor:
    """Mark the remainders modulo K of map positions, which may lie outside the map.

    Args:
        rows: Row numbers (..., h).
        columns: Column numbers (..., w) with the same leading axes.
        kernel_size: K.

    Returns:
        Ones and zeros (..., h, w, 2 * K).
    """
    marks = [F.one_hot(places % kernel_size, kernel_size) for places in (rows, columns)]
    shape = (*rows.shape, columns.shape[-1], kernel_size)
    return torch.cat((marks[0].unsqueeze(-2).expand(shape), marks[1].unsqueeze(-3).expand(shape)), -1)


def taps_by_remainder(
    guide_size: int, feature_size: int, kernel_size: int, border: str, device: torch.device
) -> torch.Tensor:
    """Give the tap of every pixel's window that falls on each remainder modulo K: (guide_size, K)."""
    starts = window_starts(guide_size, feature_size, kernel_size, border, device)[:, None]
    return (torch.arange(kernel_size, device=device) - starts) % kernel_size


def _by_remainder(table: torch.Tensor, feature_size: int, kernel_size: int, border: str) -> torch.Tensor:
    """Sort each pixel's taps by the remainder modulo K of the position under them: (size, K) -> (size, K)."""
    return table.gather(1, taps_by_remainder(table.shape[0], feature_size, kernel_size, border, table.device))
