"""SAPA-UperNet: transformers' UperNet with "bilinear" on six encoders, and the checkpoints it starts from."""

import pytest
import torch
from safetensors import safe_open
from segmentation_contract import SegmentationContract
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

from sapa_hf import SapaUperNetConfig, SapaUperNetForSemanticSegmentation

STAGES = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
WIDTHS = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
RESNET = {"model_type": "resnet", "embedding_size": 8, **WIDTHS}
ENCODERS = {
    "resnet": RESNET,
    "convnext": {"model_type": "convnext", "num_stages": 4, **WIDTHS},
    "swin": {"model_type": "swin", **SWIN},
    "swinv2": {"model_type": "swinv2", **SWIN},
    "dinov3_convnext": {"model_type": "dinov3_convnext", **WIDTHS},
    "pvt_v2": {"model_type": "pvt_v2", **WIDTHS, "num_attention_heads": [1, 1, 2, 2]},
}
LITE = {"model_type": "sapa_efficientnet_lite", "width_multiplier": 0.25, "depth_multiplier": 0.3}
HEAD = {"hidden_size": 16, "auxiliary_channels": 8, "num_labels": 7}


class TestSapaUperNet(SegmentationContract):
    config_class = SapaUperNetConfig
    model_class = SapaUperNetForSemanticSegmentation
    tiny = HEAD | {"backbone_config": LITE, "use_auxiliary_head": False}  # only the loss runs that head


def test_gradient_checkpointing_is_refused_where_the_encoder_has_none():
    model = TestSapaUperNet().make(backbone_config=RESNET)
    with pytest.raises(ValueError, match="does not support gradient checkpointing"):
        model.gradient_checkpointing_enable()


def make_stock(encoder, folder):
    """transformers' own UperNet with running statistics that matter, saved and loaded again."""
    config = UperNetConfig(backbone_config=encoder | STAGES, **HEAD)
    model = UperNetForSemanticSegmentation(config)
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    model.save_pretrained(folder)
    return UperNetForSemanticSegmentation.from_pretrained(folder).eval()


def load(folder, **fields):
    model, report = SapaUperNetForSemanticSegmentation.from_pretrained(
        folder, output_loading_info=True, **fields
    )
    return model.eval(), report


def names(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        return set(file.keys())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_bilinear_equals_transformers_bit_for_bit_whatever_the_encoder(encoder, tmp_path):
    stock = make_stock(ENCODERS[encoder], tmp_path / "stock")
    ours, report = load(tmp_path / "stock", upsampler="bilinear")
    assert not any(report.values())
    for size in ((64, 96), (97, 131)):
        images, labels = torch.randn(2, 3, *size), torch.randint(0, 7, (2, *size))
        labels[:, :9] = 255
        with torch.no_grad():
            assert torch.equal(ours(images).logits, stock(images).logits)
            torch.testing.assert_close(ours(images, labels=labels).loss, stock(images, labels=labels).loss)
    ours.save_pretrained(tmp_path / "ours")
    assert names(tmp_path / "ours") == names(tmp_path / "stock")


@pytest.mark.parametrize("encoder", ["resnet", "swin"])
def test_sapa_starts_from_upernet_with_only_its_own_parameters_new_and_survives_saving(encoder, tmp_path):
    stock = make_stock(ENCODERS[encoder], tmp_path / "stock")
    ours, report = load(tmp_path / "stock", upsampler="sapa-g", upsampler_embedding_dim=8)
    new = {f"decode_head.upsamplers.{name}" for name, _ in ours.decode_head.upsamplers.named_parameters()}
    assert len(new) == 3 * 12 and set(report["missing_keys"]) == new
    assert not report["unexpected_keys"] and not report["mismatched_keys"]
    ours.save_pretrained(tmp_path / "ours")
    again, report = load(tmp_path / "ours")
    assert not any(report.values())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(again(images).logits, ours(images).logits)
    back = UperNetForSemanticSegmentation.from_pretrained(tmp_path / "ours").eval()
    assert torch.equal(back(images).logits, stock(images).logits)


def test_an_imagenet_encoder_starts_it_and_the_names_saved_are_the_models_own(tmp_path):
    source = ResNetForImageClassification(ResNetConfig(**WIDTHS, embedding_size=8, num_labels=5))
    source.save_pretrained(tmp_path / "encoder")
    mapping = {"^resnet.": "backbone."}
    model, report = load(tmp_path / "encoder", hidden_size=16, key_mapping=mapping)
    assert report["missing_keys"] and all(
        name.startswith(("decode_head.", "auxiliary_head.")) for name in report["missing_keys"]
    )
    assert set(report["unexpected_keys"]) == {"classifier.1.weight", "classifier.1.bias"}
    assert model.config.num_labels == 2 and model.config.backbone_config.out_indices == [1, 2, 3, 4]
    ours, theirs = model.backbone.state_dict(), source.resnet.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    model.save_pretrained(tmp_path / "model")
    _, report = load(tmp_path / "model")
    assert not any(report.values())


def test_timm_s_lite_starts_the_encoder_and_the_head_is_new(sapa_data):
    folder = sapa_data / "encoders" / "tf_efficientnet_lite0"
    model, report = load(folder, hidden_size=16, auxiliary_channels=8)
    assert {name.split(".")[0] for name in report["missing_keys"]} == {"decode_head", "auxiliary_head"}
    assert not report["unexpected_keys"] and not report["mismatched_keys"]  # its classifier is left out
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert torch.equal(model.backbone.conv_stem.weight, file.get_tensor("conv_stem.weight"))


def test_the_lite_encoder_trains_and_is_saved_with_the_model(tmp_path):
    case = TestSapaUperNet()
    model, images = case.make(backbone_config=LITE, use_auxiliary_head=True).train(), case.images()
    model(images, labels=case.labels(images)).loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    model.eval().save_pretrained(tmp_path)
    again, report = load(tmp_path)
    assert not any(report.values())
    torch.testing.assert_close(case.predict(again, images), case.predict(model, images))


def test_without_the_auxiliary_head_the_loss_is_the_cross_entropy():
    case = TestSapaUperNet()
    model, images = case.make(), case.images()
    labels = case.labels(images)
    output = model(images, labels=labels)
    expected = torch.nn.functional.cross_entropy(output.logits, labels, ignore_index=255)
    torch.testing.assert_close(output.loss, expected)


def test_paper_sized_model_has_the_counted_parameters():
    def count(**fields):
        with torch.device("meta"):
            model = SapaUperNetForSemanticSegmentation(SapaUperNetConfig(num_labels=150, **fields))
        return sum(parameter.numel() for parameter in model.parameters())

    bare = count(upsampler="bilinear")
    assert bare == 66_496_876
    assert count(upsampler="sapa-b") - bare == 203_136
    assert count(upsampler="sapa-g", upsampler_embedding_dim=32) - bare == 155_427


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"model_type": "segformer"}, "must be an encoder that transformers' AutoBackbone knows"),
        ({}, "got None"),
        (RESNET | {"out_features": ["stage3", "stage4"]}, "must give 4 maps, got 2"),
        ({"model_type": "resnet", "depths": [1, 1], "hidden_sizes": [8, 16]}, "must give 4 maps, got 1"),
        (RESNET | {"attn_implementation": "someone/flash"}, "backbone_config asks for compiled code"),
    ],
)
def test_encoders_that_cannot_serve_are_refused(encoder, message):
    with pytest.raises(ValueError, match=message):
        SapaUperNetConfig(backbone_config=encoder)
    with pytest.raises(TypeError, match="must be a config or a dict"):
        SapaUperNetConfig(backbone_config="resnet")
