"""What SAPA computes again in its backward pass: the same gradients, no normalised guide in memory."""

import gc
import weakref

import pytest
import torch

from sapa_hf.modeling import SAPA
from sapa_hf.modeling.recomputation import recomputed


@pytest.mark.parametrize("similarity", ["bilinear", "gated", "addition"])
def test_the_normalised_guide_is_not_kept(similarity):
    module, normalised = SAPA(6, 8, similarity), []
    module.norm_guide.register_forward_hook(lambda *call: normalised.append(weakref.ref(call[2])))
    output = module(torch.randn(1, 6, 8, 8, requires_grad=True), torch.randn(1, 8, 4, 4))
    gc.collect()
    assert len(normalised) == 1 and normalised[0]() is None
    output.sum().backward()
    assert len(normalised) == 2  # computed again


@pytest.mark.parametrize("similarity", ["bilinear", "gated", "addition"])
def test_gradients_are_those_of_keeping_everything(similarity, monkeypatch):
    module = SAPA(6, 8, similarity, start="bilinear").double()
    maps = [torch.randn(2, 6, 8, 10).double(), torch.randn(2, 8, 4, 5).double()]
    leaves = [*(m.requires_grad_() for m in maps), *module.parameters()]
    gradients = []
    for keeps in (False, True):
        if keeps:
            monkeypatch.setattr("sapa_hf.modeling.sapa.recomputed", lambda function, *maps: function(*maps))
        output = module(*maps)
        gradients.append([output, *torch.autograd.grad(output.square().sum(), leaves)])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_frozen_and_hooked_projections_get_what_they_should():
    module = SAPA(6, 8, "gated")
    module.norm_guide.requires_grad_(False)
    module.query_guide.weight.requires_grad_(False)
    guide, feature = torch.randn(1, 6, 8, 8), torch.randn(1, 8, 4, 4)
    module(guide, feature).square().sum().backward()
    assert module.query_guide.weight.grad is None and module.query_guide.bias.grad is not None
    with torch.no_grad():
        module(guide, feature)


def test_transforms_of_functions_still_differentiate():
    module, feature = SAPA(6, 8, "gated").double(), torch.randn(1, 8, 4, 4).double()
    guide = torch.randn(1, 6, 8, 8).double().requires_grad_()

    def energy(guide):
        return module(guide, feature).square().sum()

    expected = torch.autograd.grad(energy(guide), guide)[0]
    torch.testing.assert_close(torch.func.grad(energy)(guide.detach()), expected)


def test_second_derivatives_and_autocast_agree():
    module = SAPA(6, 8, "bilinear").double()
    maps = (
        torch.randn(1, 6, 4, 4).double().requires_grad_(),
        torch.randn(1, 8, 2, 2).double().requires_grad_(),
    )
    assert torch.autograd.gradgradcheck(module, maps, fast_mode=True)
    module = module.float()
    guide, feature = torch.randn(1, 6, 4, 4, requires_grad=True), torch.randn(1, 8, 2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = module(guide, feature)
    output.float().square().sum().backward()  # outside, as users do: computed again as it was
    assert guide.grad.isfinite().all() and guide.grad.abs().sum() > 0


def test_nothing_is_kept_for_later_without_gradients():
    calls = []
    with torch.no_grad():
        recomputed(lambda x: calls.append(1) or x, torch.randn(3, requires_grad=True))
    assert calls == [1]
