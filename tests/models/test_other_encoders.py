"""SegFormer's head and BTS's decoder on another encoder, and what they start from."""

import pytest
import torch
from safetensors import safe_open
from transformers import ResNetConfig, ResNetForImageClassification

from sapa_hf import (
    SapaBtsConfig,
    SapaBtsForDepthEstimation,
    SapaEfficientNetLiteBackbone,
    SapaEfficientNetLiteConfig,
    SapaSegformerConfig,
    SapaSegformerForSemanticSegmentation,
)

LITE = {"model_type": "sapa_efficientnet_lite", "width_multiplier": 0.25, "depth_multiplier": 0.3}
WIDTHS = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
ENCODERS = {
    "lite": LITE,
    "resnet": {"model_type": "resnet", **WIDTHS},
    "swin": {"model_type": "swin", "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]},
}


def segformer(encoder=LITE, **fields):
    config = SapaSegformerConfig(
        backbone_config=dict(encoder),
        decoder_hidden_size=16,
        upsampler_embedding_dim=8,
        num_labels=7,
        **fields,
    )
    return SapaSegformerForSemanticSegmentation(config).eval()


def bts(encoder=LITE, **fields):
    config = SapaBtsConfig(
        backbone_config=dict(encoder), decoder_hidden_size=32, upsampler_embedding_dim=8, **fields
    )
    return SapaBtsForDepthEstimation(config).eval()


LABELS = {
    segformer: lambda size: torch.randint(0, 7, (2, *size)),
    bts: lambda size: torch.rand(2, *size) + 0.5,
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_segformer_s_head_takes_any_encoder_with_maps_at_a_quarter_to_a_thirty_second(encoder):
    model, images = segformer(ENCODERS[encoder]), torch.randn(1, 3, 75, 97)
    output = model(images, output_hidden_states=True)
    assert [stage.shape[1] for stage in output.hidden_states] == model.backbone.channels
    assert output.logits.shape[:2] == (1, 7) and output.logits.shape[2:] == output.hidden_states[0].shape[2:]
    assert len(model.decode_head.upsamplers) == 6 and not hasattr(model, "segformer")


def test_bts_takes_an_encoder_with_maps_at_a_half_to_a_thirty_second_and_no_other():
    model, images = bts(), torch.randn(1, 3, 75, 97)
    output = model(images, output_hidden_states=True)
    assert [stage.shape[1] for stage in output.hidden_states] == model.backbone.channels
    assert output.predicted_depth.shape == (1, 75, 97) and not hasattr(model, "resnet")
    with pytest.raises(ValueError, match="must give BTS maps at 1/2, 1/4.* from resnet"):
        bts(ENCODERS["resnet"])(images)
    with pytest.raises(ValueError, match="must give 5 maps"):
        bts(LITE | {"out_indices": [1, 2, 3, 4]})


@pytest.mark.parametrize("make", LABELS)
def test_training_reaches_every_parameter_and_the_saved_model_computes_the_same(make, tmp_path):
    model, images = make().train(), torch.randn(2, 3, 64, 96)
    model(images, labels=LABELS[make]((64, 96))).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    model.eval().save_pretrained(tmp_path)
    again, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    assert again.config.backbone_config.out_indices == model.config.backbone_config.out_indices
    with torch.no_grad():
        assert torch.equal(again.eval()(images)[0], model(images)[0])


@pytest.mark.slow
@pytest.mark.parametrize("make", LABELS)
def test_it_is_traced_whole(make):
    torch.compiler.reset()
    model, images = make(upsampler="sapa-b"), torch.randn(1, 3, 64, 64)
    traced = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(traced(images)[0], model(images)[0])


@pytest.mark.parametrize("make", LABELS)
def test_an_encoder_s_own_checkpoint_starts_the_encoder_and_the_head_is_new(make, tmp_path):
    encoder = SapaEfficientNetLiteBackbone(SapaEfficientNetLiteConfig(0.25, 0.3))
    encoder.save_pretrained(tmp_path / "encoder")
    config = make().config
    fields = {"decoder_hidden_size": config.decoder_hidden_size}
    model, report = type(make()).from_pretrained(tmp_path / "encoder", output_loading_info=True, **fields)
    assert all(torch.equal(v, encoder.state_dict()[k]) for k, v in model.backbone.state_dict().items())
    assert {name.split(".")[0] for name in report["missing_keys"]} <= {"decode_head", "decoder"}
    assert report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    model.save_pretrained(tmp_path / "model")
    _, report = type(model).from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not any(report.values())


def test_timm_s_weights_start_the_encoder_whose_fields_may_be_given_too(sapa_data):
    folder = sapa_data / "encoders" / "tf_efficientnet_lite0"
    for given in ({}, {"backbone_config": {"model_type": "sapa_efficientnet_lite"}}):
        model = SapaSegformerForSemanticSegmentation.from_pretrained(folder, **given)
        with safe_open(folder / "model.safetensors", "pt") as file:
            for name, value in model.backbone.state_dict().items():
                assert torch.equal(value, file.get_tensor(name))


def test_an_imagenet_resnet_starts_segformer_s_head_by_a_mapping_of_its_names(tmp_path):
    source = ResNetForImageClassification(ResNetConfig(**WIDTHS, num_labels=5))
    source.save_pretrained(tmp_path)
    model, report = SapaSegformerForSemanticSegmentation.from_pretrained(
        tmp_path, key_mapping={"^resnet.": "backbone."}, output_loading_info=True
    )
    assert {name.split(".")[0] for name in report["missing_keys"]} == {"decode_head"}
    theirs = source.resnet.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in model.backbone.state_dict().items())
