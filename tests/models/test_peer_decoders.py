"""Decoders against other people's: FADE's SegFormer head with released SAPA, GLPDepth's, and BTS's."""

import peers
import pytest
import torch

from sapa_hf import SapaBtsConfig, SapaGlpnConfig, SapaSegformerConfig
from sapa_hf.modeling.bts_decoder import SapaBtsDecoder
from sapa_hf.modeling.glpn_decoder import SapaGlpnDecoder, SapaGlpnHead
from sapa_hf.modeling.segformer_head import SapaSegformerDecodeHead


def stages_of(vectors):
    """The encoder's stages, finest first."""
    count = sum(key.startswith("stage") for key in vectors)
    return [vectors[f"stage{index}"].requires_grad_() for index in range(count)]


def assert_gradients(stages, vectors):
    for index, stage in enumerate(stages):
        peers.assert_same(stage.grad, vectors[f"grad_stage{index}"])


@pytest.mark.parametrize("concatenates", [False, True])
def test_segformer_head_with_sapa_g_agrees_with_fades(concatenates):
    vectors = peers.read("segformer_head_sapa_g")
    config = SapaSegformerConfig(
        hidden_sizes=[8, 12, 16, 20], decoder_hidden_size=16, num_labels=5, upsampler_embedding_dim=8
    )
    head = SapaSegformerDecodeHead(config).double().eval()
    if concatenates:  # a hooked layer gets the whole input
        head.linear_fuse.register_forward_hook(lambda *_: None)
    peers.load_parameters(head, peers.under(vectors, "param."))
    stages = stages_of(vectors)
    logits = head(stages)
    peers.assert_same(logits, vectors["logits"])
    (logits * vectors["upstream"]).sum().backward()
    assert_gradients(stages, vectors)
    gradients = peers.under(vectors, "grad_param.")
    assert set(gradients) == {name for name, _ in head.named_parameters()}
    for name, gradient in gradients.items():
        peers.assert_same(head.get_parameter(name).grad, gradient)


def test_glpn_decoder_agrees_with_glpdepths():
    vectors = peers.read("glpn_decoder")
    config = SapaGlpnConfig(hidden_sizes=[16, 24, 40, 64], decoder_hidden_size=16, upsampler="bilinear")
    decoder, head = SapaGlpnDecoder(config).double().eval(), SapaGlpnHead(config).double().eval()
    peers.load_parameters(decoder, peers.under(vectors, "decoder."))
    peers.load_parameters(head.head, peers.under(vectors, "head."))
    stages = stages_of(vectors)
    depth = head(decoder(stages))
    peers.assert_same(depth, vectors["depth"])
    (depth * vectors["upstream"]).sum().backward()
    assert_gradients(stages, vectors)


def by_formula(decoder):
    """The weights of the BTS vectors, as golden/peers/README.md has them."""
    values = {}
    own = {name: value for name, value in decoder.state_dict().items() if "num_batches" not in name}
    for index, name in enumerate(sorted(own)):
        shape = own[name].shape
        wave = torch.sin(0.7 * torch.arange(own[name].numel(), dtype=torch.float64) + index).reshape(shape)
        if len(shape) == 4:
            values[name] = 0.7 * wave / shape[1:].numel() ** 0.5
        elif name.endswith("running_var"):
            values[name] = wave.abs() + 0.5
        elif name.endswith(".weight"):
            values[name] = 1 + 0.2 * wave
        else:
            values[name] = 0.1 * wave
    return values


def test_bts_decoder_agrees_with_bts():
    vectors = peers.read("bts_decoder")
    config = SapaBtsConfig(
        embedding_size=8, hidden_sizes=[12, 16, 20, 24], decoder_hidden_size=128, upsampler="nearest"
    )
    decoder = SapaBtsDecoder(config).double().eval()
    peers.load_parameters(decoder, by_formula(decoder))
    seen = {}
    for key, part in {
        "lpg8": "planes8",
        "lpg4": "planes4",
        "lpg2": "planes2",
        "depth1": "reduction1",
    }.items():
        decoder.get_submodule(part).register_forward_hook(
            lambda _part, _inputs, output, key=key: seen.update({key: output})
        )
    stages = stages_of(vectors)
    depth = decoder(stages)
    peers.assert_same(depth, vectors["depth"])
    for key in ("lpg8", "lpg4", "lpg2"):
        peers.assert_same(seen[key], vectors[key])
    peers.assert_same(seen["depth1"].sigmoid(), vectors["depth1"])
    (depth * vectors["upstream"]).sum().backward()
    assert_gradients(stages[:4], vectors)
    passed = stages[4] > 0  # the peer applies one more ReLU, which stops a gradient at zeros
    peers.assert_same(stages[4].grad[passed], vectors["grad_stage4"][passed])
