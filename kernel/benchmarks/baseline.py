"""What the kernel is measured against. `tiled` is frozen: it is neither slowed down nor sped up."""

import torch
import torch.nn.functional as F

# (height and width of the map) of SegFormer-B1's six upsampling calls at 512 x 512.
SEGFORMER_B1_MAPS = (16, 32, 64, 32, 64, 64)
EMBEDDING, CHANNELS, KERNEL_SIZE, TILE = 64, 256, 5, 4


def segformer_calls(batch, dtype, device="cpu", grad=False):
    """Query, key and value of the six calls."""
    calls = []
    for side in SEGFORMER_B1_MAPS:
        shapes = (2 * side, 2 * side, EMBEDDING), (side, side, EMBEDDING), (side, side, CHANNELS)
        tensors = [torch.randn(batch, *shape, device=device).to(dtype) for shape in shapes]
        calls.append([tensor.requires_grad_(grad) for tensor in tensors])
    return calls


def tiled(query, key, value):
    """Meet the 64 queries of 4 x 4 positions with the 64 keys of tile and halo in one masked product."""
    batch, height, width, embedding = key.shape
    channels, factor, reach = value.shape[-1], query.shape[1] // height, KERNEL_SIZE // 2
    side, queries = TILE + KERNEL_SIZE - 1, TILE * factor
    down, across = -(-height // TILE), -(-width // TILE)
    pad = (0, 0, reach, reach + across * TILE - width, reach, reach + down * TILE - height)
    query = F.pad(query, (0, 0, 0, factor * (across * TILE - width), 0, factor * (down * TILE - height)))
    query = query.reshape(batch, down, queries, across, queries, embedding).transpose(2, 3)
    query = query.reshape(-1, queries * queries, embedding)  # (B * N, 64, d)
    key, value = (_halos(F.pad(x, pad), side) for x in (key, value))  # (B * N, 64, d), (B * N, 64, C)
    tap = torch.arange(side, device=key.device) - torch.arange(queries, device=key.device)[:, None] // factor
    near = (tap >= 0) & (tap < KERNEL_SIZE)  # (8, 8)
    window = (near[:, None, :, None] & near[None, :, None, :]).reshape(queries * queries, side * side)
    scores = torch.bmm(query, key.transpose(1, 2)).masked_fill_(~window, float("-inf"))
    output = torch.bmm(scores.float().softmax(-1).to(value.dtype), value)  # (B * N, 64, C)
    output = output.reshape(batch, down, across, queries, queries, channels).transpose(2, 3)
    output = output.reshape(batch, down * queries, across * queries, channels)
    return output[:, : height * factor, : width * factor]


def _halos(padded, side):
    batch, channels = padded.shape[0], padded.shape[-1]
    tiles = padded.unfold(1, side, TILE).unfold(2, side, TILE).permute(0, 1, 2, 4, 5, 3)
    return tiles.reshape(-1, side * side, channels) if batch else tiles.flatten(0, 2).flatten(1, 2)


def unfolded(query, key, value):
    """Copy out every window with F.unfold: what people write."""
    batch, height, width, embedding = key.shape
    channels, factor, taps = value.shape[-1], query.shape[1] // height, KERNEL_SIZE**2
    query = query.reshape(batch, height, factor, width, factor, embedding).permute(0, 1, 3, 2, 4, 5)
    query = query.reshape(batch * height * width, factor * factor, embedding)

    def windows(x):
        x = F.unfold(x.permute(0, 3, 1, 2), KERNEL_SIZE, padding=KERNEL_SIZE // 2)  # (B, C * 25, H * W)
        return x.reshape(batch, -1, taps, height * width).permute(0, 3, 2, 1).reshape(len(query), taps, -1)

    weights = torch.bmm(query, windows(key).transpose(1, 2)).float().softmax(-1).to(value.dtype)
    output = torch.bmm(weights, windows(value)).reshape(batch, height, width, factor, factor, channels)
    return output.permute(0, 1, 3, 2, 4, 5).reshape(batch, height * factor, width * factor, channels)


def bilinear(query, key, value):
    """Enlarge the value bilinearly: the plain upsampling SAPA replaces, for scale."""
    size = query.shape[1:3]
    return F.interpolate(value.permute(0, 3, 1, 2), size=size, mode="bilinear").permute(0, 2, 3, 1)
