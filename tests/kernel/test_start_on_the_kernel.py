"""`sapa_upsample` and SAPA's start hand the bias by place to the compiled kernel."""

import functools

import pytest
import torch

from sapa_hf.modeling import SAPA, sapa_upsample, use_backend
from sapa_hf.modeling.compiled_kernel import find_kernel


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("guide_size", [(10, 14), (13, 16)])
def test_values_and_gradients_are_the_definitions(repository, guide_size, border):
    inputs = [
        torch.randn(2, *guide_size, 8, requires_grad=True),
        torch.randn(2, 5, 7, 8, requires_grad=True),
        torch.randn(2, 5, 7, 16, requires_grad=True),
        *(torch.randn(size, 5, requires_grad=True) for size in guide_size),
    ]
    upstream = torch.randn(2, *guide_size, 16)
    outcomes = []
    for backend in (str(repository), "definition"):
        output = sapa_upsample(*inputs[:3], 5, border, backend=backend, bias=tuple(inputs[3:]))
        outcomes.append([output, *torch.autograd.grad((output * upstream).sum(), inputs)])
    for one, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-5 * max(1, other.abs().max().item()))


@pytest.mark.parametrize("border", ["zero", "mask"])
def test_the_start_reaches_the_kernel_with_its_bias(repository, border, monkeypatch):
    module = SAPA(6, 8, embedding_dim=4, border=border, start="bilinear")
    guide, feature = torch.randn(1, 6, 8, 10), torch.randn(1, 8, 4, 5)
    kernel, given = find_kernel(str(repository), guide, feature, feature), []  # that which runs
    assemble = kernel.assemble

    @functools.wraps(assemble)  # a kernel is refused where its signature knows no bias
    def noting(*call):
        given.append(call[5])
        return assemble(*call)

    monkeypatch.setattr(kernel, "assemble", noting)
    with use_backend(str(repository)):
        compiled = module(guide, feature)
    with use_backend("definition"):
        torch.testing.assert_close(compiled, module(guide, feature))
    (bias,) = given
    assert [table.shape for table in bias] == [(8, 5), (10, 5)]
