"""Every upsampler once more, as loops over pixels in float64, written from its published definition alone.

One image at a time: guide (Cg, H', W'), feature (Cf, H, W); `p` holds the module's parameters by name.
Nothing here pads, unfolds, convolves or shuffles with a library call, so that a mistake in the use of one
shows.
"""

import math
from itertools import product

import torch


def picture(pixels, size):
    """Lay a list of pixels, row by row, as a map (C, rows, columns)."""
    return torch.stack(pixels, dim=1).reshape(-1, *size)


def grid(size):
    return product(range(size[0]), range(size[1]))


def doubled(i, j):
    """Window centre of an output pixel at the factor two."""
    return i // 2, j // 2


def scaled(size, guide_size):
    """Window centres at any ratio of sizes."""
    return lambda i, j: (i * size[0] // guide_size[0], j * size[1] // guide_size[1])


def convolution(maps, weight, bias=None, stride=1, before=0, size=None):
    """Slide filters (out, in, N, M) over maps that are zero outside, `before` zeros ahead of each axis."""
    pixels = []
    size = size or maps.shape[1:]
    for i, j in grid(size):
        total = torch.zeros(len(weight), dtype=maps.dtype) if bias is None else bias
        for n, m in grid(weight.shape[2:]):
            y, x = stride * i + n - before, stride * j + m - before
            if 0 <= y < maps.shape[1] and 0 <= x < maps.shape[2]:
                total = total + weight[:, :, n, m] @ maps[:, y, x]
        pixels.append(total)
    return picture(pixels, size)


def shuffle(maps):
    """Channel 4 c + 2 dy + dx of position (i, j) is channel c of pixel (2 i + dy, 2 j + dx)."""
    size = 2 * maps.shape[1], 2 * maps.shape[2]
    return picture([maps[2 * (i % 2) + j % 2 :: 4, i // 2, j // 2] for i, j in grid(size)], size)


def taps_on_map(i, j, kernel_size, size):
    """List (tap, row, column) of the window around (i, j), as far as it lies on the map."""
    reach = kernel_size // 2
    taps = [(n * kernel_size + m, i + n - reach, j + m - reach) for n, m in grid((kernel_size, kernel_size))]
    return [(tap, y, x) for tap, y, x in taps if 0 <= y < size[0] and 0 <= x < size[1]]


def normalised(logits, value, guide_size, centre, border):
    """Softmax of (K * K, ., .) over all taps, or with "mask" over those on the map: (K * K, H', W')."""
    kernels = []
    for i, j in grid(guide_size):
        on_map = taps_on_map(*centre(i, j), math.isqrt(len(logits)), value.shape[1:])
        counted = [tap for tap, _, _ in on_map] if border == "mask" else list(range(len(logits)))
        shares = (logits[:, i, j] - logits[:, i, j].max().detach()).exp()
        kernels.append(shares / shares[counted].sum())
    return picture(kernels, guide_size)


def assemble(kernels, value, centre):
    """Sum every pixel's window with its kernel (K * K, H', W'); the value is zero outside its map."""
    pixels = []
    for i, j in grid(kernels.shape[1:]):
        pixel = torch.zeros(len(value), dtype=value.dtype)
        for tap, y, x in taps_on_map(*centre(i, j), math.isqrt(len(kernels)), value.shape[1:]):
            pixel = pixel + kernels[tap, i, j] * value[:, y, x]
        pixels.append(pixel)
    return picture(pixels, kernels.shape[1:])


def read(maps, x, y, beyond):
    """Read (C, H, W) bilinearly at column x and row y, 0 being the first one's centre."""
    height, width = maps.shape[1:]
    if beyond == "border":
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    left, top = math.floor(x.item()), math.floor(y.item())
    total = torch.zeros(len(maps), dtype=maps.dtype)
    for row, column in product((top, top + 1), (left, left + 1)):
        if 0 <= row < height and 0 <= column < width:
            share = (1 - (y - row).abs()) * (1 - (x - column).abs())
            total = total + share * maps[:, row, column]
    return total


def deconv(p, guide, feature):
    size = guide.shape[1:]
    pixels = dict.fromkeys(grid(size), p["convolution.bias"])
    for (i, j), (n, m) in product(grid(feature.shape[1:]), grid((3, 3))):
        place = 2 * i + n - 1, 2 * j + m - 1
        if place in pixels:
            pixels[place] = pixels[place] + feature[:, i, j] @ p["convolution.weight"][:, :, n, m]
    return picture([pixels[place] for place in grid(size)], size)


def pixel_shuffle(p, guide, feature):
    maps = convolution(feature, p["convolution.weight"], p["convolution.bias"], before=1)
    return shuffle(maps)[:, : guide.shape[1], : guide.shape[2]]


def pixel_tcl(p, guide, feature):
    whole, size = (2 * feature.shape[1], 2 * feature.shape[2]), guide.shape[1:]
    first = convolution(feature, p["first.weight"], before=1)
    diagonal = convolution(first, p["diagonal.weight"], before=1)
    made = {}
    for i, j in grid(whole):
        seeds = {(0, 0): first, (1, 1): diagonal}.get((i % 2, j % 2))
        made[i, j] = torch.zeros_like(feature[:, 0, 0]) if seeds is None else seeds[:, i // 2, j // 2]
    sparse = picture([made[place] for place in grid(whole)], whole)
    filled = convolution(sparse, p["between.weight"], before=1)
    return picture([made[i, j] if i % 2 == j % 2 else filled[:, i, j] for i, j in grid(size)], size)


def bilinear_additive(p, guide, feature):
    sums = torch.stack([sum(feature[c : c + 4]) for c in range(0, len(feature), 4)])
    size = 2 * feature.shape[1], 2 * feature.shape[2]
    place = [torch.tensor((k + 0.5) / 2 - 0.5, dtype=feature.dtype) for k in range(max(size))]
    doubled = picture([read(sums, place[j], place[i], "border") for i, j in grid(size)], size)
    maps = convolution(doubled, p["convolution.weight"], p["convolution.bias"], before=1)
    return maps[:, : guide.shape[1], : guide.shape[2]]


def max_unpool(guide, feature, indices):
    output = torch.zeros(len(feature), *guide.shape[1:], dtype=feature.dtype)
    for c, i, j in product(*map(range, feature.shape)):
        output[c, indices[c, i, j] // guide.shape[2], indices[c, i, j] % guide.shape[2]] = feature[c, i, j]
    return output


def carafe(p, guide, feature, border="zero"):
    compressed = convolution(feature, p["compress.weight"], p["compress.bias"])
    logits = shuffle(convolution(compressed, p["encode.weight"], p["encode.bias"], before=1))
    kernels = normalised(logits, feature, guide.shape[1:], doubled, border)
    return assemble(kernels, feature, doubled)


def indexnet(p, guide, feature, training=False):
    """With `training`, the batch normalisation's statistics are this one image's."""
    context = convolution(guide, p["context.weight"], stride=2, before=1, size=feature.shape[1:])
    mean, variance = p["normalization.running_mean"], p["normalization.running_var"]
    if training:
        mean = context.mean((1, 2))
        variance = (context - mean[:, None, None]).square().mean((1, 2))
    scale = p["normalization.weight"] / (variance + 1e-5).sqrt()
    hidden = (context - mean[:, None, None]) * scale[:, None, None] + p["normalization.bias"][:, None, None]
    index = shuffle(1 / (1 + (-convolution(hidden.clamp(0, 6), p["index.weight"])).exp()))
    size = guide.shape[1:]
    return picture([index[0, i, j] * feature[:, i // 2, j // 2] for i, j in grid(size)], size)


def pooled(maps, bins):
    """Average over bins x bins overlapping cells, each from the floor to the ceiling of its bounds."""
    cells = []
    for a, b in grid((bins, bins)):
        rows, columns = (
            slice(cell * size // bins, -(-(cell + 1) * size // bins))
            for cell, size in zip((a, b), maps.shape[1:], strict=True)
        )
        cells.append(maps[:, rows, columns].mean((1, 2)))
    return picture(cells, (bins, bins))


def a2u(p, guide, feature, border="zero"):
    channels, size = len(guide), feature.shape[1:]
    groups = math.gcd(32, channels)
    sides = []
    for side in range(2):
        own = convolution(pooled(guide, 6), p[f"filters.{side}.weight"], p[f"filters.{side}.bias"])
        every_channel = own * torch.eye(channels, dtype=own.dtype)[:, :, None, None]  # (C, C, 6, 6), diagonal
        maps = convolution(guide, every_channel, stride=2, before=2, size=size)
        normal = []
        for group in maps.split(channels // groups):
            variance = (group - group.mean()).square().mean()
            normal.append((group - group.mean()) / (variance + 1e-5).sqrt())
        normal = torch.cat(normal) * p[f"norms.{side}.weight"][:, None, None]
        normal = normal + p[f"norms.{side}.bias"][:, None, None]
        sides.append(torch.where(normal > 0, normal, 0.01 * normal))
    affinity = (sides[0] * sides[1]).sum(0) / math.sqrt(channels)  # (H, W)
    coefficients = convolution(pooled(guide, 1), p["coefficients.weight"], p["coefficients.bias"])
    logits = 1 / (1 + (-shuffle(affinity * coefficients)).exp())
    kernels = normalised(logits, feature, guide.shape[1:], doubled, border)
    return assemble(kernels, feature, doubled)


def fade(p, guide, feature, border="zero"):
    size = guide.shape[1:]
    centre = scaled(feature.shape[1:], size)

    def enlarged(maps):
        return picture([maps[(slice(None), *centre(i, j))] for i, j in grid(size)], size)

    high = convolution(guide, p["compress_guide.weight"], p["compress_guide.bias"])
    high = convolution(high, p["encode.weight"], p["encode.bias"], before=1)
    low = convolution(feature, p["compress_feature.weight"])
    low = convolution(low, p["encode.weight"], p["encode.bias"], before=1)
    kernels = normalised(high + enlarged(low), feature, size, centre, border)
    output = assemble(kernels, feature, centre)
    if len(guide) != len(feature):
        return output
    gate = enlarged(1 / (1 + (-convolution(feature, p["gate.weight"], p["gate.bias"])).exp()))
    return gate * guide + (1 - gate) * output


def dysample(p, guide, feature, groups=4):
    offset = convolution(feature, p["offset.weight"], p["offset.bias"])  # (2 * groups * 4, H, W)
    pixels = []
    for i, j in grid(guide.shape[1:]):
        row, column, dy, dx = i // 2, j // 2, i % 2, j % 2
        reads = []
        for group, channels in enumerate(feature.chunk(groups)):
            right = offset[4 * group + 2 * dy + dx, row, column]
            down = offset[4 * (groups + group) + 2 * dy + dx, row, column]
            x = column + 0.25 * right + (0.25 if dx else -0.25)
            y = row + 0.25 * down + (0.25 if dy else -0.25)
            reads.append(read(channels, x, y, "border"))
        pixels.append(torch.cat(reads))
    return picture(pixels, guide.shape[1:])


def sapa_d(p, guide, feature, groups=4, points=9):
    query = convolution(guide, p["query.weight"], p["query.bias"])
    keys = convolution(feature, p["key.weight"], p["key.bias"]).chunk(groups)
    offset = shuffle(convolution(feature, p["offset.weight"], p["offset.bias"]))  # (groups * points * 2, ...)
    pixels = []
    for i, j in grid(guide.shape[1:]):
        sums = []
        for group, (key, channels) in enumerate(zip(keys, feature.chunk(groups), strict=True)):
            own, scores, reads = query[:, i, j].chunk(groups)[group], [], []
            for point in range(points):
                right, down = offset[2 * (points * group + point) :, i, j][:2]
                both = read(torch.cat((key, channels)), j // 2 + right, i // 2 + down, "zeros")
                scores.append(own @ both[: len(key)])
                reads.append(both[len(key) :])
            shares = torch.stack(scores).exp()
            sums.append(torch.stack(reads, dim=1) @ (shares / shares.sum()))
        pixels.append(torch.cat(sums))
    return picture(pixels, guide.shape[1:])
