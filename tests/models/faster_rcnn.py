"""Faster R-CNN against torchvision's own: run by test_faster_rcnn.py, in a process of its own."""

import torchvision_on_cpu  # noqa: F401  # before torchvision

# isort: split
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from transformers import AutoModelForObjectDetection

from sapa_hf import SapaFasterRcnnConfig, SapaFasterRcnnForObjectDetection

TINY = {
    "upsampler_embedding_dim": 8,
    "backbone": "resnet18",
    "shortest_edge": 64,
    "longest_edge": 128,
    "num_labels": 3,
}
SIZES = ((64, 64), (75, 97), (50, 120))


def make(upsampler="sapa-b", **fields):
    config = SapaFasterRcnnConfig(upsampler=upsampler, **{**TINY, **fields})
    model = SapaFasterRcnnForObjectDetection(config).eval()
    few_regions(model.detector)
    return model


def few_regions(detector):
    """Look at few regions, and at those of low score too: pooling is slow here, and weights are random."""
    detector.rpn._post_nms_top_n = {"training": 20, "testing": 20}
    detector.roi_heads.fg_bg_sampler.batch_size_per_image = 8
    detector.roi_heads.score_thresh = 0.0
    return detector


def stock(classes=4):
    backbone = resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=torch.nn.BatchNorm2d, trainable_layers=3
    )
    return few_regions(FasterRCNN(backbone, classes, min_size=64, max_size=128).eval())


def photos():
    return [torch.rand(3, *size) for size in SIZES]


def labels():
    box = torch.tensor([[5.0, 8.0, 40.0, 44.0]])
    full = {"boxes": box, "class_labels": torch.tensor([2])}
    return [full, full, {"boxes": box[:0], "class_labels": torch.zeros(0, dtype=torch.long)}]


@torch.no_grad()
def test_nearest_gives_torchvision_s_pyramid_and_detections():
    theirs, ours, images = stock(), make("nearest"), photos()
    loading = ours.detector.load_state_dict(theirs.state_dict())
    assert not loading.missing_keys and not loading.unexpected_keys
    batch = torch.randn(2, 3, 96, 160)
    pyramids = zip(ours.detector.backbone(batch).items(), theirs.backbone(batch).items(), strict=True)
    for (name, found), (expected_name, expected) in pyramids:
        assert name == expected_name and torch.equal(found, expected)
    for found, expected in zip(ours(images).detections, theirs(images), strict=True):
        assert len(expected["boxes"]) > 0
        assert torch.equal(found["boxes"], expected["boxes"])
        assert torch.equal(found["scores"], expected["scores"])
        assert torch.equal(found["labels"], expected["labels"] - 1)


def test_parameters_are_those_of_the_paper_s_baseline():
    full = {"backbone": "resnet50", "num_labels": 80}
    nearest = make("nearest", **full)
    assert sum(p.numel() for p in nearest.parameters()) == 41_757_156
    # 41.53 M in the paper; mmdetection's 80 box regressors in place of 81 would leave 41,527,712.
    assert sum(p.numel() for p in nearest.parameters() if p.requires_grad) == 41_531_812


@pytest.mark.parametrize(("upsampler", "added"), [("sapa-b", 101_760), ("sapa-g", 151_875)])
def test_three_upsamplers_are_added(upsampler, added):
    count = sum(p.numel() for p in make(upsampler, upsampler_embedding_dim=64).parameters())
    assert count - sum(p.numel() for p in make("nearest").parameters()) == added


@pytest.mark.parametrize("upsampler", ["sapa-b", "nearest"])
def test_a_checkpoint_of_torchvision_starts_every_upsampler(upsampler, tmp_path):
    theirs = stock()
    weights = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}  # as frozen ones are
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    make(upsampler).config.save_pretrained(tmp_path)
    model, report = SapaFasterRcnnForObjectDetection.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["unexpected_keys"]
    assert all(".fpn.upsamplers." in key for key in report["missing_keys"])
    kept = model.detector.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in weights.items())


@torch.no_grad()
def test_saved_and_loaded_by_the_auto_class_it_detects_the_same(tmp_path):
    model, images = make(), photos()
    model.save_pretrained(tmp_path)
    again = AutoModelForObjectDetection.from_pretrained(tmp_path).eval()
    few_regions(again.detector)
    for found, expected in zip(again(images).detections, model(images).detections, strict=True):
        assert len(expected["boxes"]) > 0
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value)


def test_first_weights_are_torchvision_s():
    ours, theirs = make("nearest").detector.state_dict(), stock().state_dict()
    for name, value in theirs.items():
        if value.is_floating_point() and value.numel() > 2000:
            torch.testing.assert_close(ours[name].std(), value.std(), rtol=0.1, atol=1e-6, msg=name)


def test_loss_falls_when_trained_and_frozen_layers_stay():
    torch.manual_seed(0)
    model, images = make().train(), photos()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer, losses = torch.optim.AdamW(trained, lr=3e-4), []
    for _ in range(4):
        loss = model(images, labels()).loss
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        assert all(parameter.grad is not None for parameter in trained)
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
    after = model.state_dict()
    for name, value in before.items():
        frozen = "body.conv1" in name or "body.bn1" in name or "body.layer1" in name or ".running_" in name
        assert not frozen or torch.equal(after[name], value), name
    assert not torch.equal(
        before["detector.backbone.body.layer2.0.conv1.weight"],
        after["detector.backbone.body.layer2.0.conv1.weight"],
    )


def test_what_cannot_be_learnt_from_is_refused():
    model, images = make(), photos()
    with pytest.raises(ValueError, match="labels in evaluation"):
        model(images, labels())
    model.train()
    with pytest.raises(ValueError, match="none in training"):
        model(images)
    with pytest.raises(ValueError, match="one for each of the 3 images, got 2"):
        model(images, labels()[:2])
    for change, message in (
        ({"boxes": torch.tensor([[5.0, 8.0, 5.0, 44.0]])}, "x1 < x2"),
        ({"boxes": torch.zeros(1, 5)}, "boxes .n, 4."),
        ({"class_labels": torch.tensor([3])}, "from 0 to 2"),
        ({"class_labels": torch.tensor([1.0])}, "integers"),
    ):
        with pytest.raises(ValueError, match=message):
            model(images, [labels()[0] | change, *labels()[1:]])
    with pytest.raises(ValueError, match=r"photos \(3, H, W\)"):
        model.eval()([torch.rand(4, 32, 32)])
