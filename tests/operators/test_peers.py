"""Upsamplers against their authors' released code: outputs and gradients in float64."""

import peers
import pytest

from sapa_hf import build_upsampler

CASES = {
    "sapa_b": ("sapa-b", 6, 10, {"embedding_dim": 64}),
    "sapa_g": ("sapa-g", 6, 10, {"embedding_dim": 64}),
    "sapa_d": ("sapa-d", 6, 8, {}),
    "dysample": ("dysample", 3, 12, {}),
    "fade_l2h": ("fade", 10, 10, {}),
    "carafe": ("carafe", 3, 10, {"kernel_size": 3}),
    "indexnet": ("indexnet", 6, 10, {}),
    "a2u": ("a2u", 32, 10, {}),
}


@pytest.mark.parametrize("file", CASES)
def test_released_code_gives_the_same_output_and_gradients(file):
    name, guide_channels, feature_channels, options = CASES[file]
    vectors = peers.read(file)
    upsampler = build_upsampler(name, guide_channels, feature_channels, **options).double().eval()
    peers.load_parameters(upsampler, peers.under(vectors, "param."))
    sizes = {key.split(".")[0] for key in vectors if key.endswith(".output")}
    assert sizes
    for size in sizes:
        case = peers.under(vectors, f"{size}.")
        guide, feature = case["guide"].requires_grad_(), case["feature"].requires_grad_()
        upsampler.zero_grad()
        output = upsampler(guide, feature)
        peers.assert_same(output, case["output"])
        (output * case["upstream"]).sum().backward()
        peers.assert_same(feature.grad, case["grad_feature"])
        if guide.grad is None:  # an upsampler that reads no guide
            assert not case["grad_guide"].any()
        else:
            peers.assert_same(guide.grad, case["grad_guide"])
        gradients = peers.under(case, "grad_param.")
        assert set(gradients) == {parameter for parameter, _ in upsampler.named_parameters()}
        for parameter, gradient in gradients.items():
            peers.assert_same(upsampler.get_parameter(parameter).grad, gradient)
