"""The compiled kernel carries a bias by place in longer embeddings."""

import pytest
import torch

from sapa_hf.modeling import sapa_upsample

SIZES = [((9, 11), (18, 22)), ((5, 7), (13, 16)), ((6, 20), (24, 80))]


@pytest.mark.parametrize(("feature_size", "guide_size"), SIZES)
def test_values_and_gradients_are_the_definitions(repository, feature_size, guide_size):
    inputs = [
        torch.randn(2, *guide_size, 8, requires_grad=True),
        torch.randn(2, *feature_size, 8, requires_grad=True),
        torch.randn(2, *feature_size, 16, requires_grad=True),
        *(torch.randn(size, 5, requires_grad=True) for size in guide_size),
    ]
    upstream = torch.randn(2, *guide_size, 16)
    outcomes = []
    for backend in (str(repository), "definition"):
        output = sapa_upsample(*inputs[:3], 5, "mask", backend=backend, bias=tuple(inputs[3:]))
        outcomes.append([output, *torch.autograd.grad((output * upstream).sum(), inputs)])
    for one, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-5 * max(1, other.abs().max().item()))


def test_zero_border_takes_plain_pytorch(repository):
    query, key, value = torch.randn(1, 8, 8, 4), torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 3)
    bias = torch.randn(8, 5), torch.randn(8, 5)
    one, other = (
        sapa_upsample(query, key, value, 5, "zero", backend=backend, bias=bias)
        for backend in (str(repository), "tiled")
    )
    assert torch.equal(one, other)
