"""SAPA-BTS: the parameter counts of the paper, the encoder's checkpoints, the planes."""

import math

import pytest
import torch
from depth_contract import DepthContract
from model_contract import SERVING
from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

from sapa_hf import SapaBtsConfig, SapaBtsForDepthEstimation
from sapa_hf.modeling.planar_guidance import LocalPlanarGuidance

TINY = {
    "embedding_size": 8,
    "hidden_sizes": [16, 24, 32, 48],
    "depths": [1, 1, 1, 1],
    "decoder_hidden_size": 32,
}


class TestSapaBts(DepthContract):
    config_class = SapaBtsConfig
    model_class = SapaBtsForDepthEstimation
    heads = ("decoder",)
    tiny = TINY | {"upsampler_embedding_dim": 8}
    upsamplers = [name for name in SERVING if name != "sapa-i"]  # guide and feature differ in channels


UNUSED_CLASSIFIER = 2_049_000  # torchvision's, which the paper's count includes


def count(**fields):
    with torch.device("meta"):
        model = SapaBtsForDepthEstimation(SapaBtsConfig(**fields))
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def nearest_count():
    return count(upsampler="nearest")


def test_nearest_has_the_paper_s_49_53_million_parameters(nearest_count):
    assert nearest_count == 47_481_968
    assert nearest_count + UNUSED_CLASSIFIER == 49_530_968


@pytest.mark.parametrize(
    ("upsampler", "embedding_dim", "added"),
    [("sapa-b", 64, 308_864), ("sapa-g", 64, 492_164), ("sapa-b", 32, 159_104), ("sapa-g", 32, 252_164)],
)
def test_sapa_adds_the_paper_s_parameters(nearest_count, upsampler, embedding_dim, added):
    assert count(upsampler=upsampler, upsampler_embedding_dim=embedding_dim) - nearest_count == added


def test_starts_from_an_imagenet_resnet(tmp_path):
    shape = {key: value for key, value in TINY.items() if key != "decoder_hidden_size"}
    source = ResNetForImageClassification(ResNetConfig(**shape, num_labels=5))
    for norm in (module for module in source.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
    source.save_pretrained(tmp_path)

    model, keys = SapaBtsForDepthEstimation.from_pretrained(
        tmp_path, upsampler="sapa-b", decoder_hidden_size=32, output_loading_info=True
    )

    decoder = {key for key in model.state_dict() if key.startswith("decoder.")}
    counters = {key for key in decoder if key.endswith("num_batches_tracked")}
    assert decoder - counters <= set(keys["missing_keys"]) <= decoder
    assert set(keys["unexpected_keys"]) == {"classifier.1.weight", "classifier.1.bias"}
    assert not keys["mismatched_keys"]
    for key, value in source.resnet.state_dict().items():
        assert torch.equal(model.resnet.state_dict()[key], value), key
    assert len(model.config.id2label) == 2  # the default that is not saved, rather than ImageNet's classes


def test_resnet_50_keys_and_shapes_are_the_encoder_s():
    with torch.device("meta"):
        source = ResNetForImageClassification(ResNetConfig())  # the layout of microsoft/resnet-50
        model = SapaBtsForDepthEstimation(SapaBtsConfig())
    ours = {k: v.shape for k, v in model.state_dict().items() if k.startswith("resnet.")}
    theirs = {k: v.shape for k, v in source.state_dict().items() if not k.startswith("classifier.")}
    assert ours == theirs
    assert ours["resnet.embedder.embedder.convolution.weight"] == (64, 3, 7, 7)


def test_the_finest_guide_is_the_stem_before_its_pooling():
    model = SapaBtsForDepthEstimation(SapaBtsConfig(**TINY)).eval()
    pixel_values = torch.rand(1, 3, 64, 96)
    output = model(pixel_values, output_hidden_states=True)
    assert [tuple(stage.shape[1:]) for stage in output.hidden_states] == [
        (8, 32, 48), (16, 16, 24), (24, 8, 12), (32, 4, 6), (48, 2, 3)
    ]  # fmt: skip
    stock = ResNetModel(model.config).eval()
    stock.load_state_dict(model.resnet.state_dict())
    whole = stock(pixel_values, output_hidden_states=True)
    assert torch.equal(stock.embedder.pooler(output.hidden_states[0]), whole.hidden_states[0])
    for ours, theirs in zip(output.hidden_states[1:], whole.hidden_states[1:], strict=True):
        assert torch.equal(ours, theirs)


def test_planes_give_the_depth_of_their_geometry():
    planes = LocalPlanarGuidance(8, 8, factor=4).double()
    feature = torch.randn(2, 8, 3, 5, dtype=torch.float64)
    polar, azimuth, distance = torch.sigmoid(planes.reduction(feature)).unbind(1)
    polar, azimuth = polar * math.pi / 3, azimuth * 2 * math.pi
    depth = planes(feature)
    assert depth.shape == (2, 1, 12, 20)
    for row, column in ((0, 0), (5, 7), (11, 19)):
        place = ..., row // 4, column // 4
        u, v = ((column % 4) - 1.5) / 4, ((row % 4) - 1.5) / 4
        normal_on_ray = (
            polar[place].sin() * (azimuth[place].cos() * u + azimuth[place].sin() * v) + polar[place].cos()
        )
        torch.testing.assert_close(depth[:, 0, row, column], distance[place] / normal_on_ray.clamp(min=0.05))


def test_the_steepest_plane_has_a_finite_positive_depth():
    planes = LocalPlanarGuidance(8, 8, factor=8)
    with torch.no_grad():
        for parameter in planes.parameters():
            parameter.fill_(10.0)
    depth = planes(torch.ones(1, 8, 2, 2))
    assert torch.isfinite(depth).all() and (depth > 0).all()


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("frozen_stem", [False, True])
def test_gradient_checkpointing_moves_the_running_averages_once(reentrant, frozen_stem):
    results = []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        model = SapaBtsForDepthEstimation(SapaBtsConfig(**TINY)).train()
        model.resnet.embedder.requires_grad_(not frozen_stem)
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        model(torch.rand(2, 3, 64, 64), torch.rand(2, 64, 64) * 9 + 0.5).loss.backward()
        state = {k: v for k, v in model.state_dict().items() if "running" in k}
        gradients = {k: p.grad for k, p in model.named_parameters() if p.requires_grad}
        results.append((state, gradients))
    for key, value in results[0][0].items():
        assert torch.equal(results[1][0][key], value), key
    for key, value in results[0][1].items():
        torch.testing.assert_close(results[1][1][key], value)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"decoder_hidden_size": 100}, ValueError, "multiple of 32"),
        ({"decoder_hidden_size": 64.0}, TypeError, "integer"),
        ({"max_depth": -1}, ValueError, "max_depth"),
        ({"downsample_in_first_stage": True}, ValueError, "downsample_in_first_stage"),
        ({"hidden_sizes": [8, 16], "depths": [1, 1]}, ValueError, "four encoder stages"),
        ({"upsampler": "sapa"}, ValueError, "sapa-g"),
    ],
)
def test_configs_that_make_no_bts_are_refused(fields, error, text):
    with pytest.raises(error, match=text):
        SapaBtsConfig(**fields)


def test_sapa_i_is_refused_with_both_counts():
    with pytest.raises(ValueError, match=r"32.*48"):
        SapaBtsForDepthEstimation(SapaBtsConfig(**TINY, upsampler="sapa-i"))
