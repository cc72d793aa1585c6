"""Derivatives for which no compiled kernel has a rule are those of plain PyTorch."""

import pytest
import torch
from torch.autograd import forward_ad

from sapa_hf.modeling import sapa_upsample, use_backend

KEY, VALUE = torch.randn(1, 4, 3, 4), torch.randn(1, 4, 3, 5)


def energy(query):
    return sapa_upsample(query, KEY, VALUE).square().sum()


def tangent(query):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(energy(forward_ad.make_dual(query, torch.ones_like(query)))).tangent


TRANSFORMS = {
    "forward_ad": tangent,
    "jvp": lambda query: torch.func.jvp(energy, (query,), (torch.ones_like(query),))[1],
    "jacfwd": torch.func.jacfwd(energy),
    "grad": torch.func.grad(energy),
    "jacrev": torch.func.jacrev(energy),
    "hessian": torch.func.hessian(energy),
    "grad under vmap": lambda query: torch.vmap(torch.func.grad(energy))(torch.stack([query, -query])),
    "vmap under jvp": lambda query: torch.func.jvp(
        torch.vmap(energy), (query[None],), (torch.ones_like(query)[None],)
    )[1],
}


@pytest.fixture(params=TRANSFORMS)
def transform(request):
    return TRANSFORMS[request.param]


def test_transforms_give_the_derivatives_of_plain_pytorch(repository, transform):
    query = torch.randn(1, 8, 6, 4)
    with use_backend("plain"):
        expected = transform(query)
    with use_backend(str(repository)):
        got = transform(query)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(got, expected)


def test_vmap_alone_keeps_the_kernel(repository):
    queries = torch.randn(3, 1, 8, 6, 4, requires_grad=True)
    with use_backend(str(repository)):
        output = torch.vmap(lambda query: sapa_upsample(query, KEY, VALUE))(queries)
    nodes, names = [output.grad_fn], set()
    while nodes:
        node = nodes.pop()
        names.add(type(node).__name__)
        nodes += [n for n, _ in node.next_functions if n is not None]
    assert any("sapa" in name for name in names)


def test_transforms_are_seen_while_compiling(repository):
    query = torch.randn(1, 8, 6, 4)
    for transform in (TRANSFORMS["grad"], TRANSFORMS["jvp"]):
        with use_backend(str(repository)):
            got = torch.compile(transform, backend="aot_eager", fullgraph=True)(query)
        torch.testing.assert_close(got, transform(query))


def test_transforms_are_asked_for_once_a_call(repository, monkeypatch):
    asked, stack = [], torch._C._functorch.get_interpreter_stack
    monkeypatch.setattr(torch._C._functorch, "get_interpreter_stack", lambda: asked.append(1) or stack())
    with use_backend(str(repository)):
        sapa_upsample(torch.randn(1, 8, 6, 4), KEY, VALUE)
    assert len(asked) == 1
