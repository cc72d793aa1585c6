"""SAPA's affiliation in plain PyTorch: tiles of feature positions and one masked matrix product each way."""

import torch
import torch.nn.functional as F

from .affiliation_definition import normalise
from .place_bias import PlaceBias, biased_query, place_marks
from .window import query_slots, starts_around

# Positions along each side of a tile. A tile's queries meet all keys of the tile and its halo in one dense
# product; with a 5 x 5 window 4 x 4 positions waste 2.6 times the exact arithmetic, which the matrix product
# more than earns back.
TILE = 4


def tiled_affiliation(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int,
    border: str,
    normalization: str,
    bias: PlaceBias | None = None,
) -> torch.Tensor:
    """Assemble every output pixel from the values in its window, weighted by similarity.

    Arguments are as in `sapa_upsample` and already checked. Works in the inputs' common dtype; stores scores
    for the tile's halo, (TILE + K - 1)^2 a pixel, and never the K * K unfolded values.

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
    height, width = key.shape[1:3]
    guide_height, guide_width = query.shape[1:3]
    if bias is not None:
        query = biased_query(query, bias, (height, width), kernel_size, border)  # (B, H', W', d + 2 * K)
    whole = guide_height % height == 0 and guide_width % width == 0
    if whole:
        factors = (guide_height // height, guide_width // width)
    else:
        row_factor, row_pixels, row_slots = query_slots(guide_height, height, query.device)
        column_factor, column_pixels, column_slots = query_slots(guide_width, width, query.device)
        factors = (row_factor, column_factor)
        query = query.index_select(1, row_pixels).index_select(2, column_pixels)  # (B, H * fh, W * fw, d)

    query_tiles = _query_tiles(query, height, width, factors)  # (B * N, Q, d)
    key_tiles = _halo_tiles(key, kernel_size, border)  # (B * N, U, d)
    if bias is not None:
        marks = _halo_marks(key, kernel_size, border)  # (N, U, 2 * K)
        key_tiles = torch.cat((key_tiles, marks.repeat(len(key), 1, 1)), -1)  # (B * N, U, d + 2 * K)
    value_tiles = _halo_tiles(value, kernel_size, border)  # (B * N, U, C)
    scores_apart = _excluded(key, factors, kernel_size, border)  # (1 or B * N, Q, U)
    weights = _normalised_scores(query_tiles, key_tiles, scores_apart, normalization)  # (B * N, Q, U)
    output = torch.bmm(weights, value_tiles)  # (B * N, Q, C)

    output = _untile(output, height, width, factors)  # (B, H * fh, W * fw, C)
    if not whole:
        output = output.index_select(1, row_slots).index_select(2, column_slots)
    return output  # (B, H', W', C)


def _padding(size: int, kernel_size: int, border: str) -> tuple[int, int]:
    """Zeros before and after an axis: the window's reach, the rest of the last tile, and how far it moves."""
    reach = kernel_size // 2
    return reach, reach + -size % TILE + (reach if border == "shift" else 0)


def _tile_count(size: int) -> int:
    return (size + TILE - 1) // TILE


def _query_tiles(query: torch.Tensor, height: int, width: int, factors: tuple[int, int]) -> torch.Tensor:
    """Group queries by the tile of their window centre: (B, H * fh, W * fw, d) -> (B * N, Q, d)."""
    rows, columns = TILE * factors[0], TILE * factors[1]
    query = F.pad(query, (0, 0, 0, -width % TILE * factors[1], 0, -height % TILE * factors[0]))
    batch, _, _, dim = query.shape
    query = query.reshape(batch, _tile_count(height), rows, _tile_count(width), columns, dim)
    return query.transpose(2, 3).reshape(-1, rows * columns, dim)


def _untile(output: torch.Tensor, height: int, width: int, factors: tuple[int, int]) -> torch.Tensor:
    """Undo `_query_tiles`: (B * N, Q, C) -> (B, H * fh, W * fw, C)."""
    down, across = _tile_count(height), _tile_count(width)
    rows, columns = TILE * factors[0], TILE * factors[1]
    channels = output.shape[-1]
    output = output.reshape(-1, down, across, rows, columns, channels).transpose(2, 3)
    output = output.reshape(-1, down * rows, across * columns, channels)
    return output[:, : height * factors[0], : width * factors[1]]


def _halo_places(size: int, kernel_size: int, border: str, device: torch.device) -> torch.Tensor:
    """Give the places that each tile's windows can reach, also outside the map: (tiles, TILE + K - 1)."""
    first = torch.arange(_tile_count(size), device=device) * TILE
    starts = starts_around(first, size, kernel_size, border)
    return starts[:, None] + torch.arange(TILE + kernel_size - 1, device=device)


def _halo_tiles(positions: torch.Tensor, kernel_size: int, border: str) -> torch.Tensor:
    """Cut a map into overlapping tiles, zero outside: (B, H, W, C) -> (B * N, U, C), U = (TILE + K - 1)^2."""
    _, height, width, channels = positions.shape
    padding = (*_padding(width, kernel_size, border), *_padding(height, kernel_size, border))
    padded = F.pad(positions, (0, 0, *padding))
    rows, columns = (
        _halo_places(size, kernel_size, border, positions.device) + kernel_size // 2
        for size in (height, width)
    )  # (nh, u) and (nw, u), in the padded map
    indices = rows[:, None, :, None] * padded.shape[2] + columns[None, :, None, :]  # (nh, nw, u, u)
    tiles = padded.flatten(1, 2).index_select(1, indices.flatten())  # (B, N * U, C)
    return tiles.reshape(-1, (TILE + kernel_size - 1) ** 2, channels)


def _halo_marks(key: torch.Tensor, kernel_size: int, border: str) -> torch.Tensor:
    """Mark the places of a map's halo tiles, also those outside the map: (N, U, 2 * K)."""
    rows, columns = (_halo_places(size, kernel_size, border, key.device) for size in key.shape[1:3])
    rows, columns = (
        rows[:, None].expand(-1, len(columns), -1),
        columns[None].expand(len(rows), -1, -1),
    )  # (nh, nw, u) each
    return place_marks(rows, columns, kernel_size).flatten(2, 3).flatten(0, 1).to(key.dtype)


def _excluded(key: torch.Tensor, factors: tuple[int, int], kernel_size: int, border: str) -> torch.Tensor:
    """Mark the pairs of a tile's query and key that are not in one window: (1 or B * N, Q, U)."""

    def axis(size: int, factor: int) -> torch.Tensor:
        tiles = torch.arange(_tile_count(size) if border == "shift" else 1, device=key.device)
        centres = tiles[:, None] * TILE + torch.arange(TILE * factor, device=key.device) // factor
        starts = starts_around(centres, size, kernel_size, border)  # (tiles or 1, TILE * f)
        halo = torch.arange(TILE + kernel_size - 1, device=key.device)
        tap = halo - (starts - starts[:, :1])[..., None]
        return (tap >= 0) & (tap < kernel_size)  # (tiles or 1, TILE * f, u)

    rows, columns = (axis(size, factor) for size, factor in zip(key.shape[1:3], factors, strict=True))
    window = rows[:, None, :, None, :, None] & columns[None, :, None, :, None, :]
    excluded = ~window.flatten(4).flatten(2, 3).flatten(0, 1)  # (N or 1, Q, U)
    if border == "shift":
        return excluded.repeat(len(key), 1, 1)
    if border == "mask":
        outside = _halo_tiles(torch.ones_like(key[..., :1]), kernel_size, border) == 0  # (B * N, U, 1)
        excluded = excluded | outside.transpose(1, 2)
    return excluded


def _normalised_scores(
    query: torch.Tensor, key: torch.Tensor, excluded: torch.Tensor, normalization: str
) -> torch.Tensor:
    """Turn inner products into weights over each window: (B * N, Q, d), (B * N, U, d) -> (B * N, Q, U)."""
    if normalization != "softmax":
        return normalise(torch.bmm(query, key.transpose(1, 2)), excluded, normalization)
    # Half the lowest number, so that adding a score cannot reach -inf and an all-excluded row stays finite.
    lowest = torch.finfo(query.dtype).min / 2
    bias = torch.zeros_like(excluded, dtype=query.dtype).masked_fill(excluded, lowest)
    return torch.baddbmm(bias, query, key.transpose(1, 2)).softmax(-1)
