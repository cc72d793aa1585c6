"""SAPA-SegNet: VGG's encoder, max unpooling, and a loss whose classes weigh differently."""

import pytest
import torch
from safetensors.torch import save_file
from segmentation_contract import SegmentationContract
from torch import nn

from sapa_hf import SapaSegNetConfig, SapaSegNetForSemanticSegmentation
from sapa_hf.modeling import UPSAMPLERS, vgg_names
from sapa_hf.modeling.segmentation_loss import labelled_weight, segmentation_loss

TINY = {"hidden_sizes": [16, 16, 16, 16, 16], "depths": [1, 1, 2, 1, 1], "num_labels": 7}


class TestSapaSegNet(SegmentationContract):
    config_class = SapaSegNetConfig
    model_class = SapaSegNetForSemanticSegmentation
    tiny = TINY | {"upsampler": "sapa-g"}  # an unpooled map jumps where rounding moves a maximum
    upsamplers = list(UPSAMPLERS)


@pytest.mark.parametrize(("classes", "parameters"), [(11, 29_449_355), (12, 29_449_932), (37, 29_464_357)])
def test_it_has_as_many_parameters_as_segnet(classes, parameters):
    with torch.device("meta"):
        model = SapaSegNetForSemanticSegmentation(SapaSegNetConfig(num_labels=classes))
    assert model.num_parameters() == parameters
    assert sum(parameter.numel() for parameter in model.encoder.parameters()) == 14_723_136


@pytest.mark.parametrize(
    ("name", "dim", "added"),
    [("sapa-i", 64, 0), ("sapa-b", 64, 194_944), ("sapa-g", 32, 149_157), ("carafe", 64, 383_028)],
)
def test_upsamplers_add_as_many_parameters_as_five_sites_need(name, dim, added):
    with torch.device("meta"):
        config = SapaSegNetConfig(num_labels=12, upsampler=name, upsampler_embedding_dim=dim)
        model = SapaSegNetForSemanticSegmentation(config)
    assert model.num_parameters() == 29_449_932 + added


def published_segnet(model, images):
    """SegNet by PyTorch's own pooling layers, with the weights of a model."""
    taken, hidden = [], images
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    for block in model.encoder.blocks:
        hidden, indices = pool(block(hidden))
        taken.append(indices)
    for block in model.decode_head.blocks:
        hidden = block(unpool(hidden, taken.pop()))
    return model.decode_head.classifier(hidden)


def test_max_unpooling_is_segnet_s():
    model, images = TestSapaSegNet().make(upsampler="max_unpool"), torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(model(images).logits, published_segnet(model, images))


def test_vgg_s_checkpoint_starts_the_encoder_and_the_decoder_is_new(tmp_path):
    vgg, channels = nn.Sequential(), 3
    for width, depth in zip(TINY["hidden_sizes"], TINY["depths"], strict=True):
        for _ in range(depth):
            vgg.extend([nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()])
            channels = width
        vgg.append(nn.MaxPool2d(2))
    weights = {f"features.{name}": value.clone() for name, value in vgg.state_dict().items()}
    save_file(
        weights | {"head.fc.weight": torch.zeros(5, 16)}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    model, report = SapaSegNetForSemanticSegmentation.from_pretrained(
        tmp_path,
        config=SapaSegNetConfig(**TINY),
        key_mapping=vgg_names(TINY["depths"]),
        output_loading_info=True,
    )
    assert {name.split(".")[0] for name in report["missing_keys"]} == {"decode_head"}
    assert set(report["unexpected_keys"]) == {"head.fc.weight"}
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.eval().encoder(images)[0], vgg.eval()(images))


def test_class_weights_weigh_the_loss_as_torch_s_mean_does():
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    labels[:, :2] = 255
    weights = [0.5, 2.0, 0.25]
    expected = nn.functional.cross_entropy(logits, labels, torch.tensor(weights), ignore_index=255)
    torch.testing.assert_close(segmentation_loss(logits, labels, 255, weights), expected)
    by_hand = sum(weights[label] for label in labels[labels != 255].tolist())
    assert labelled_weight(labels, 255, weights).item() == pytest.approx(by_hand)
    model, images = TestSapaSegNet().make(class_weights=[1.0] * 6 + [0.0]), torch.randn(2, 3, 32, 32)
    nothing_counts = torch.full((2, 32, 32), 6)
    assert model(images, labels=nothing_counts).loss.item() == 0


@pytest.mark.parametrize("weights", [[1.0] * 6, [1.0] * 6 + [-1.0], [1.0] * 6 + [float("nan")]])
def test_class_weights_that_do_not_fit_the_classes_are_refused(weights):
    with pytest.raises(ValueError, match="class_weights must have a number of at least 0 for each of the 7"):
        SapaSegNetConfig(**TINY, class_weights=weights)


def test_blocks_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="hidden_sizes and depths must have one positive entry"):
        SapaSegNetConfig(hidden_sizes=[4, 8], depths=[1])
