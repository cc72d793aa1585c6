"""Attention to a window of keys as others compute it, to be measured beside one call of `sapa_upsample`.

Every form takes query (B, H', W', n, d), key (B, H, W, n, d) and value (B, H, W, n, C), at integer ratios,
and scales by 1 / sqrt(d). At ratio 1 it is neighbourhood attention (NATTEN); NAF (arXiv 2511.18452) uses
larger ones. Windows that reach over the edge are moved inside.
"""

import itertools
from functools import cache

import torch


def starts(size, kernel_size, device=None):
    """Say where the window of each position of an axis begins: (size,)."""
    return (torch.arange(size, device=device) - kernel_size // 2).clamp(0, size - kernel_size)


def by_loops(query, key, value, kernel_size, pixels):
    """The definition in float64 at some pixels (row, column) of the first image: (pixels, n, C)."""
    query, key, value = query.double(), key.double(), value.double()
    (high, wide), (low, narrow), output = query.shape[1:3], key.shape[1:3], []
    for (i, j), head in itertools.product(pixels, range(query.shape[3])):
        top = min(max(i * low // high - kernel_size // 2, 0), low - kernel_size)
        left = min(max(j * narrow // wide - kernel_size // 2, 0), narrow - kernel_size)
        places = [(top + n, left + m) for n in range(kernel_size) for m in range(kernel_size)]
        logits = [query[0, i, j, head] @ key[0, y, x, head] / query.shape[-1] ** 0.5 for y, x in places]
        weights = torch.stack(logits).softmax(0)
        output.append(
            sum(weight * value[0, y, x, head] for weight, (y, x) in zip(weights, places, strict=True))
        )
    return torch.stack(output).unflatten(0, (len(pixels), -1))


def enlarged(query, key, value, kernel_size):
    """NAF's way: keys and values as large as the queries, and a dilated window of them.

    Here tap by tap, and some rows at a time, or what is kept of all taps would take the most memory.
    """
    ratios = [high // low for high, low in zip(query.shape[1:3], key.shape[1:3], strict=True)]
    key, value = (
        maps.repeat_interleave(ratios[0], 1).repeat_interleave(ratios[1], 2) for maps in (key, value)
    )
    tops = starts(key.shape[1] // ratios[0], kernel_size) * ratios[0]
    columns = starts(key.shape[2] // ratios[1], kernel_size)[:, None] * ratios[1] + torch.arange(ratios[1])
    taps = list(itertools.product(range(kernel_size), repeat=2))

    def some_rows(query, top):  # which share their window's rows

        def under(maps, tap):
            rows = maps[:, top + tap[0] * ratios[0] :][:, : ratios[0]]
            return rows.index_select(2, columns.flatten() + tap[1] * ratios[1])

        weights = torch.stack([(query * under(key, tap)).sum(-1) for tap in taps]).softmax(0)
        return sum(weight[..., None] * under(value, tap) for tap, weight in zip(taps, weights, strict=True))

    parts = (query * query.shape[-1] ** -0.5).split(ratios[0], 1)
    return torch.cat([some_rows(part, int(top)) for part, top in zip(parts, tops, strict=True)], 1)


def unfolded(query, key, value, kernel_size):
    """Each position's window copied out, and matrix products of it with all pixels of that position."""
    (batch, low, narrow, heads, channels), (high, wide) = value.shape, query.shape[1:3]
    rows, columns = starts(low, kernel_size), starts(narrow, kernel_size)

    def windows(maps):  # (B, H, W, n, K * K, channels)
        maps = maps.unfold(1, kernel_size, 1).unfold(2, kernel_size, 1)
        maps = maps.index_select(1, rows).index_select(2, columns)
        return maps.flatten(-2).transpose(-1, -2)

    query = query.unflatten(2, (narrow, -1)).unflatten(1, (low, -1))  # (B, H, r, W, s, n, d)
    query = query.permute(0, 1, 3, 5, 2, 4, 6).flatten(4, 5) * query.shape[-1] ** -0.5  # (B, H, W, n, r s, d)
    weights = (query @ windows(key).transpose(-1, -2)).softmax(-1)
    output = weights @ windows(value)  # (B, H, W, n, r s, C)
    output = output.unflatten(4, (high // low, -1)).permute(0, 1, 4, 2, 5, 3, 6)
    return output.reshape(batch, high, wide, heads, channels)


@cache
def _block_mask(size, guide_size, kernel_size):
    from torch.nn.attention.flex_attention import create_block_mask

    tops, lefts = (
        starts(low, kernel_size)[torch.arange(high) * low // high]
        for low, high in zip(size, guide_size, strict=True)
    )

    def in_window(batch, head, pixel, position):
        row = position // size[1] - tops[pixel // guide_size[1]]
        column = position % size[1] - lefts[pixel % guide_size[1]]
        return (row >= 0) & (row < kernel_size) & (column >= 0) & (column < kernel_size)

    lengths = guide_size[0] * guide_size[1], size[0] * size[1]
    return create_block_mask(in_window, None, None, *lengths, device="cpu", _compile=True)


@cache
def _compiled_flex_attention():
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


def flex(query, key, value, kernel_size):
    """Torch's flex_attention, compiled, with the windows as its mask. It has no backward pass on a CPU."""
    mask = _block_mask(tuple(key.shape[1:3]), tuple(query.shape[1:3]), kernel_size)
    tensors = (maps.flatten(1, 2).transpose(1, 2) for maps in (query, key, value))  # (B, n, H * W, channels)
    output = _compiled_flex_attention()(*tensors, block_mask=mask)
    return output.transpose(1, 2).unflatten(1, query.shape[1:3])
