"""SAPA-GLPN: transformers' GLPN with "bilinear", and its checkpoints with any upsampler."""

import pytest
import torch
from depth_contract import DepthContract
from safetensors import safe_open
from transformers import GLPNConfig, GLPNForDepthEstimation, SegformerConfig, SegformerForImageClassification

from sapa_hf import SapaGlpnConfig, SapaGlpnForDepthEstimation

SHAPE = {
    "hidden_sizes": [16, 24, 32, 48],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "sr_ratios": [4, 2, 1, 1],
    "mlp_ratios": [2, 2, 2, 2],
}
WIDTHS = [{"decoder_hidden_size": 16}, {"decoder_hidden_size": 32}]  # 16 and 32 meet a stage of equal width


class TestSapaGlpn(DepthContract):
    config_class = SapaGlpnConfig
    model_class = SapaGlpnForDepthEstimation
    heads = ("decoder", "head")
    tiny = SHAPE | {"decoder_hidden_size": 16, "upsampler_embedding_dim": 8}

    def test_attentions_on_request(self):
        output = self.make()(self.images(1), output_attentions=True)
        assert len(output.attentions) == 4


@pytest.fixture(params=WIDTHS, ids=str)
def checkpoint(request, tmp_path):
    model = GLPNForDepthEstimation(GLPNConfig(**SHAPE, **request.param)).eval()
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
    model.save_pretrained(tmp_path / "glpn")
    return model, tmp_path / "glpn"


def test_bilinear_equals_transformers_bit_for_bit_and_misses_no_key(checkpoint):
    reference, folder = checkpoint
    model, keys = SapaGlpnForDepthEstimation.from_pretrained(
        folder, upsampler="bilinear", output_loading_info=True
    )
    assert not keys["missing_keys"] and not keys["unexpected_keys"] and not keys["mismatched_keys"]
    pixel_values, labels = torch.rand(2, 3, 64, 96), torch.rand(2, 64, 96) * 9 + 0.1
    with torch.no_grad():
        ours, theirs = model.eval()(pixel_values, labels), reference(pixel_values, labels)
    assert torch.equal(ours.predicted_depth, theirs.predicted_depth)
    torch.testing.assert_close(ours.loss, theirs.loss)


def test_bilinear_saves_the_names_that_transformers_saves(checkpoint, tmp_path):
    _, folder = checkpoint
    SapaGlpnForDepthEstimation.from_pretrained(folder, upsampler="bilinear").save_pretrained(tmp_path / "own")
    names = []
    for path in (folder, tmp_path / "own"):
        with safe_open(path / "model.safetensors", "pt") as file:
            names.append(sorted(file.keys()))
    assert names[0] == names[1]
    GLPNForDepthEstimation.from_pretrained(tmp_path / "own")


def test_sapa_starts_from_a_glpn_checkpoint_with_only_the_upsamplers_new(checkpoint):
    _, folder = checkpoint
    model, keys = SapaGlpnForDepthEstimation.from_pretrained(
        folder, upsampler="sapa-g", output_loading_info=True
    )
    new = {name for name in model.state_dict() if ".upsampler." in name}
    assert set(keys["missing_keys"]) == new and len(new) == 3 * 12
    assert not keys["unexpected_keys"]


def test_starts_from_an_imagenet_segformer_encoder(tmp_path):
    encoder = SegformerForImageClassification(SegformerConfig(**SHAPE))
    encoder.save_pretrained(tmp_path)
    config = SapaGlpnConfig.from_pretrained(tmp_path, decoder_hidden_size=16)
    model, keys = SapaGlpnForDepthEstimation.from_pretrained(
        tmp_path, config=config, key_mapping={"^segformer.": "glpn."}, output_loading_info=True
    )
    assert all(key.startswith(("decoder.", "head.")) for key in keys["missing_keys"])
    assert set(keys["unexpected_keys"]) == {"classifier.weight", "classifier.bias"}
    model.save_pretrained(tmp_path / "model")
    _, keys = SapaGlpnForDepthEstimation.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not any(keys.values())
    torch.testing.assert_close(
        model.glpn.encoder.patch_embeddings[0].proj.weight,
        encoder.segformer.stages[0].patch_embeddings.proj.weight,
        rtol=0,
        atol=0,
    )


def test_only_guided_stages_have_an_upsampler():
    model = SapaGlpnForDepthEstimation(SapaGlpnConfig(**SHAPE, decoder_hidden_size=16))
    assert ["upsampler" in stage for stage in model.decoder.stages] == [True, True, True, False]
