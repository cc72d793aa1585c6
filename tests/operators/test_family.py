"""NAF's attention and neighbourhood attention, by their own rules in float64 loops, are one call."""

from itertools import product

import pytest
import torch

from sapa_hf import sapa_upsample


def natten(query, key, value, kernel_size, dilation):
    """Neighbourhood attention as NATTEN has it: maps of one size, windows inside a pixel's dilation group.

    Pixel i belongs to group i mod dilation, and is its place i // dilation. The window is the `kernel_size`
    places of the group around that one, moved inside the group.
    """
    (rows, columns), heads = query.shape[1:3], query.shape[3]

    def neighbours(pixel, size, step):
        group, place = pixel % step, pixel // step
        first = min(max(place - kernel_size // 2, 0), size // step - kernel_size)
        return [group + step * (first + tap) for tap in range(kernel_size)]

    output = []
    for i, j, head in product(range(rows), range(columns), range(heads)):
        window = list(product(neighbours(i, rows, dilation[0]), neighbours(j, columns, dilation[1])))
        logits = torch.stack([query[0, i, j, head] @ key[0, y, x, head] for y, x in window])
        weights = (logits / query.shape[-1] ** 0.5).softmax(0)
        output.append(sum(w * value[0, y, x, head] for w, (y, x) in zip(weights, window, strict=True)))
    return torch.stack(output).view(1, rows, columns, heads, -1)


def draw(*shape):
    return torch.randn(1, *shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("form", ["definition", "tiled", "windowed", "auto"])
@pytest.mark.parametrize(("size", "ratio"), [((4, 5), (3, 2)), ((3, 3), (2, 2)), ((6, 5), (1, 1))])
def test_one_call_is_neighbourhood_attention_on_enlarged_maps(size, ratio, form):
    inputs = draw(size[0] * ratio[0], size[1] * ratio[1], 2, 4), draw(*size, 2, 4), draw(*size, 2, 3)
    query, key, value = inputs
    scaled = key * key.shape[-1] ** -0.5
    found = sapa_upsample(query, scaled, value, 3, "shift", backend=form)
    large = (x.repeat_interleave(ratio[0], 1).repeat_interleave(ratio[1], 2) for x in (key, value))
    expected = natten(query, *large, 3, ratio)
    upstream = torch.randn_like(found)
    gradients = [torch.autograd.grad(output, inputs, upstream) for output in (found, expected)]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)
