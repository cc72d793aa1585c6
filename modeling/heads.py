"""Heads of an affiliation: parts of the channels, each with its own kernels."""

import torch


def split_heads(maps: torch.Tensor, heads: int) -> torch.Tensor:
    """Cut the channels into heads: (B, H, W, n * C) -> (B, H, W, n, C)."""
    return maps.unflatten(-1, (heads, -1))


def heads_to_batch(maps: torch.Tensor) -> torch.Tensor:
    """Make each head an image of its own, for heads do not meet: (B, H, W, n, C) -> (B * n, H, W, C)."""
    return maps.movedim(3, 1).flatten(0, 1)


def batch_to_heads(maps: torch.Tensor, heads: int) -> torch.Tensor:
    """Undo `heads_to_batch`: (B * n, H, W, C) -> (B, H, W, n, C)."""
    return maps.unflatten(0, (-1, heads)).movedim(1, 3)
