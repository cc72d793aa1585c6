"""Models whose operator is replaced by the Hub's kernel, by `kernelize` or by `use_kernels=True`."""

import pytest
import torch
from kernels import LocalLayerRepository, Mode, kernelize, register_kernel_mapping, use_kernel_mapping
from published import tiny_model
from transformers.utils import is_kernels_available

from sapa_hf import build_upsampler
from sapa_hf.modeling import use_backend
from sapa_hf.modeling.affiliation_layer import SapaAffiliation

PIXELS = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)


@pytest.fixture
def mapping(repository):
    """The kernel's layer for tensors on the CPU."""
    layer = LocalLayerRepository(repository, layer_name="SapaAffiliation")
    return {"SapaAffiliation": {"cpu": layer}}


def operators(output):
    """Names of the operators in the graph of an output."""
    found, left = set(), [output.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in found:
            found.add(node)
            left += [parent for parent, _ in node.next_functions]
    return {type(node).__name__ for node in found}


def runs_kernel(output):
    return any("_sapa_" in name for name in operators(output))


def logits_of(model):
    with use_backend("plain"):  # what is not replaced runs in plain PyTorch
        return model(PIXELS).logits


@pytest.mark.parametrize("upsampler", ["sapa-b", "sapa-g"])
def test_kernelize_puts_the_kernel_into_every_upsampler_of_a_model(mapping, upsampler):
    model = tiny_model(upsampler)
    expected = logits_of(model)
    assert not runs_kernel(expected)
    with use_kernel_mapping(mapping):
        model = kernelize(model, mode=Mode.TRAINING | Mode.TORCH_COMPILE, device="cpu")
    output = logits_of(model)
    assert runs_kernel(output)
    torch.testing.assert_close(output, expected)
    layers = [module for module in model.modules() if isinstance(module, SapaAffiliation)]
    assert len(layers) == 6 and not list(layers[0].parameters())


def test_a_kernelized_start_from_bilinear_keeps_its_prior_and_its_gradient(mapping):
    sapa = build_upsampler("sapa-b", 8, 8, embedding_dim=4, border="mask", start="bilinear")
    guide, feature = torch.randn(1, 8, 12, 10), torch.randn(1, 8, 6, 5)
    with use_backend("plain"):
        expected = sapa(guide, feature)
        expected.square().mean().backward()
        gradient = {name: parameter.grad.clone() for name, parameter in sapa.named_parameters()}
        sapa.zero_grad()
        with use_kernel_mapping(mapping):
            kernelize(sapa, mode=Mode.TRAINING, device="cpu")
        output = sapa(guide, feature)
        output.square().mean().backward()
    assert runs_kernel(output)
    torch.testing.assert_close(output, expected)
    for name, parameter in sapa.named_parameters():
        torch.testing.assert_close(parameter.grad, gradient[name], rtol=1e-4, atol=1e-6)


def test_weights_that_the_kernel_does_not_have_are_left_to_pytorch(mapping):
    sapa = build_upsampler("sapa-b", 8, 8, embedding_dim=4, normalization="sigmoid")
    guide, feature = torch.randn(1, 8, 12, 10), torch.randn(1, 8, 6, 5)
    expected = sapa(guide, feature)
    with use_kernel_mapping(mapping):
        kernelize(sapa, mode=Mode.INFERENCE, device="cpu")
    assert sapa(guide, feature).equal(expected)


@pytest.mark.skipif(not is_kernels_available(), reason="this transformers does not take this `kernels`")
def test_use_kernels_takes_what_is_mapped_and_changes_nothing_by_itself(mapping):
    model = tiny_model()
    expected = logits_of(model)
    model.set_use_kernels(True)
    assert logits_of(model).equal(expected)
    try:
        register_kernel_mapping(mapping)
        model.set_use_kernels(True)
        output = logits_of(model)
    finally:
        register_kernel_mapping({}, inherit_mapping=False)
    assert runs_kernel(output)
    torch.testing.assert_close(output, expected)


def test_the_layer_adds_nothing_to_a_models_weights():
    assert not [name for name in tiny_model().state_dict() if "affiliation" in name]
