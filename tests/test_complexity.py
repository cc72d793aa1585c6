"""Counts against the paper's published ones, and against a plain unfolded implementation."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sapa_hf import (
    SapaBtsConfig,
    SapaBtsForDepthEstimation,
    SapaGlpnConfig,
    SapaGlpnForDepthEstimation,
    SapaSegformerConfig,
    SapaSegformerForSemanticSegmentation,
    build_upsampler,
    modeling,
)
from sapa_hf.complexity import FORMULAS, Cost, count_model, count_upsampler, count_upsamplers
from sapa_hf.modeling import UPSAMPLERS, GuidedUpsampler

B1 = {
    "depths": [2, 2, 2, 2],
    "hidden_sizes": [64, 128, 320, 512],
    "decoder_hidden_size": 256,
    "num_labels": 150,
}
TINY = {
    "depths": [1, 1, 1, 1],
    "hidden_sizes": [8, 16, 24, 32],
    "num_attention_heads": [1, 2, 3, 4],
    "decoder_hidden_size": 16,
    "num_labels": 5,
}


LEARNED = sorted(set(UPSAMPLERS) - {"max_unpool", "bilinear", "nearest"})


def segformer(upsampler, embedding_dim=64, **config):
    config = SapaSegformerConfig(upsampler=upsampler, upsampler_embedding_dim=embedding_dim, **config)
    return SapaSegformerForSemanticSegmentation(config)


def test_torchs_own_layers_of_the_same_names_are_no_upsamplers():
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.PixelShuffle(2))
    assert count_upsamplers(plain, 32, 32) == {}


def test_an_upsampler_called_by_keywords_is_counted():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = build_upsampler("sapa-b", 3, 3, embedding_dim=4)

        def forward(self, image):
            return self.up(feature=image[:, :, ::2, ::2], guide=image)

    model = Model()
    assert count_upsamplers(model, 16, 16) == {"up": count_upsampler(model.up, (3, 16, 16), (3, 8, 8))}


def test_bilinear_segformer_b1_is_the_published_baseline():
    with torch.device("meta"):
        model = segformer("bilinear", **B1)
    complexity = count_model(model)
    assert complexity.model.parameters == 13_715_798
    assert complexity.model.multiply_adds / 1e9 == pytest.approx(15.88, abs=0.005)
    assert complexity.upsamplers == {} and complexity.plain == complexity.model


SIX_CALLS = [(16, 32), (32, 64), (64, 128), (32, 64), (64, 128), (64, 128)]


@pytest.mark.parametrize(
    ("name", "embedding_dim", "giga_multiply_adds", "mega_parameters"),
    [
        ("sapa-i", 64, 0.7471, 0.0),
        ("sapa-b", 64, 3.3247 / 2, 0.2035),
        ("sapa-b", 32, 1.0179, 0.1048),
        ("sapa-g", 64, 1.9051, 0.3038),
        ("sapa-g", 32, 1.1412, 0.1557),
    ],
)
def test_six_modules_cost_what_the_paper_says(name, embedding_dim, giga_multiply_adds, mega_parameters):
    modules = [build_upsampler(name, 256, 256, embedding_dim=embedding_dim) for _ in SIX_CALLS]
    costs = [
        count_upsampler(module, (256, high, high), (256, low, low))
        for module, (low, high) in zip(modules, SIX_CALLS, strict=True)
    ]
    assert sum(cost.multiply_adds for cost in costs) / 1e9 == pytest.approx(giga_multiply_adds, abs=1e-4)
    assert sum(cost.parameters for cost in costs) / 1e6 == pytest.approx(mega_parameters, abs=5e-5)
    assert costs[0].flops == 2 * costs[0].multiply_adds


def test_a_whole_model_tells_the_papers_order_from_its_own_arithmetic():
    with torch.device("meta"):
        model = segformer("sapa-b", **B1)
    complexity = count_model(model)
    assert len(complexity.upsamplers) == 6
    assert complexity.added.flops / 1e9 == pytest.approx(3.325, abs=5e-4)
    assert complexity.added.parameters == 203_520
    assert complexity.plain.parameters == 13_715_798
    assert complexity.paper.multiply_adds == complexity.plain.multiply_adds + complexity.added.multiply_adds
    assert complexity.paper.parameters == complexity.model.parameters
    # Fusing early: 256 x 256 at 128^2 and three times at 64^2, in place of 1024 x 256 at 128^2.
    saved = 256 * 256 * (4 * 128**2 - 128**2 - 3 * 64**2)
    assert complexity.model.multiply_adds == complexity.paper.multiply_adds - saved


def assemble(pixels, taps, channels):
    """The weighted sums of windows, unfolded."""
    torch.randn(pixels, 1, taps) @ torch.randn(pixels, taps, channels)


def unfolded(module, guide, feature):
    """The operator without any trick: its own layers, and a batched product for whatever else multiplies."""
    (channels, height, width), pixels = feature.shape[1:], guide.shape[2] * guide.shape[3]
    match type(module).__name__:
        case "SAPA":
            query, _ = module.query_and_key(guide, feature)
            torch.randn(pixels, 1, query.shape[-1]) @ torch.randn(pixels, query.shape[-1], 9)
            assemble(pixels, 9, channels)
        case "Gaussian":
            assemble(pixels, 9, channels)
        case "CARAFE":
            module.encode(module.compress(feature))
            assemble(pixels, 9, channels)
        case "IndexNet":
            module.index(module.context(guide))
            assemble(pixels, 1, channels)
        case "A2U":
            for to_filter in module.filters:
                own = to_filter(F.adaptive_avg_pool2d(guide, 6))
                patches = F.unfold(guide, 6, padding=2, stride=2).reshape(-1, 36)  # Cg x positions
                patches @ own.reshape(36, 1)
            coefficients = module.coefficients(F.adaptive_avg_pool2d(guide, 1)).reshape(1, 36)
            maps = torch.randn(height * width, 1, guide.shape[1])
            maps @ maps.transpose(1, 2) @ coefficients
            assemble(pixels, 9, channels)
        case "FADE":
            module.encode(module.compress_guide(guide)), module.encode(module.compress_feature(feature))
            if module.gate is not None:
                module.gate(feature)
            assemble(pixels, 9, channels)
        case "SAPADeform":
            module.query(guide), module.key(feature), module.offset(feature)
            for _ in range(4):  # groups
                torch.randn(pixels, 1, 32) @ torch.randn(pixels, 32, 9)
                assemble(pixels, 9, channels // 4)
        case _:
            module(guide, feature)


@pytest.mark.parametrize(
    ("name", "guide_channels"),
    [(name, 8) for name in LEARNED] + [(name, 12) for name in LEARNED if name != "sapa-i"],
)
def test_formula_equals_what_the_counter_measures_on_unfolded_windows(name, guide_channels):
    module = build_upsampler(name, guide_channels, 8, kernel_size=3, embedding_dim=4)
    guide, feature = torch.randn(1, guide_channels, 10, 8), torch.randn(1, 8, 5, 4)
    with FlopCounterMode(display=False) as counter:
        unfolded(module, guide, feature)
    count = count_upsampler(module, (guide_channels, 10, 8), (8, 5, 4))
    assert count.multiply_adds == counter.get_total_flops() // 2
    assert count.parameters == sum(parameter.numel() for parameter in module.parameters())


def test_every_upsampler_has_a_formula():
    made = {type(build_upsampler(name, 8, 8)).__name__ for name in UPSAMPLERS}
    assert made == set(FORMULAS)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "max_unpool"])
def test_moving_and_interpolating_values_costs_nothing(name):
    assert count_upsampler(build_upsampler(name, 8, 8), (8, 8, 8), (8, 4, 4)) == Cost(0, 0)


MODELS = {
    "segformer": (SapaSegformerConfig, SapaSegformerForSemanticSegmentation, TINY, 6),
    "bts": (
        SapaBtsConfig,
        SapaBtsForDepthEstimation,
        {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [1] * 4, "decoder_hidden_size": 32},
        4,
    ),
    "glpn": (SapaGlpnConfig, SapaGlpnForDepthEstimation, {key: TINY[key] for key in list(TINY)[:4]}, 3),
}


@pytest.mark.parametrize(
    ("family", "name"),
    [  # BTS has no SAPA-I: its guides and features differ in channels
        (family, name) for family in MODELS for name in LEARNED if (family, name) != ("bts", "sapa-i")
    ],
)
def test_every_model_s_upsamplers_are_counted(family, name):
    config_class, model_class, tiny, count = MODELS[family]
    model = model_class(config_class(**tiny, upsampler=name, upsampler_embedding_dim=4))
    costs = count_upsamplers(model, 64, 96)
    assert len(costs) == count
    for part, cost in costs.items():
        parameters = sum(parameter.numel() for parameter in model.get_submodule(part).parameters())
        assert cost.parameters == parameters and cost.multiply_adds > 0


@pytest.mark.parametrize(
    ("family", "name"),
    [("segformer", name) for name in ("a2u", "fade", "indexnet", "sapa-d")]
    + [("bts", "carafe"), ("glpn", "fade")],
)
def test_a_model_is_its_plain_form_and_its_upsamplers(family, name):
    config_class, model_class, tiny, _ = MODELS[family]
    model = model_class(config_class(**tiny, upsampler=name, upsampler_embedding_dim=4))
    complexity = count_model(model, 64, 96)
    upsampler = next(module for module in model.modules() if isinstance(module, GuidedUpsampler))
    fuses_early = family == "segformer" and upsampler.reassembles
    saved = 16 * 16 * 3 * (16 * 24 - 8 * 12) if fuses_early else 0  # three stages fused at 1/8, not at 1/4
    assert complexity.model.multiply_adds == complexity.paper.multiply_adds - saved


def test_classes_of_remote_code_are_found_by_their_names():
    folder = Path(modeling.__file__).parent
    spec = importlib.util.spec_from_file_location(
        "elsewhere", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    elsewhere = importlib.util.module_from_spec(spec)
    sys.modules["elsewhere"] = elsewhere
    try:
        spec.loader.exec_module(elsewhere)
        other, own = (package.build_upsampler("a2u", 8, 8) for package in (elsewhere, modeling))
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "elsewhere"]:
            del sys.modules[name]
    assert type(other) is not type(own)
    sizes = (8, 8, 8), (8, 4, 4)
    assert count_upsampler(other, *sizes) == count_upsampler(own, *sizes)


def test_a_nearest_model_is_counted():
    complexity = count_model(segformer("nearest", **TINY), 64, 64)
    assert complexity.added.multiply_adds == 0
    assert complexity.model.multiply_adds < complexity.plain.multiply_adds


def test_counting_leaves_the_model_as_it_was():
    model = segformer("sapa-g", **TINY).train()
    model.segformer.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    count_model(model, 65, 97)
    assert model.training and model.decode_head.training and not model.segformer.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_module_that_is_no_upsampler_is_refused():
    with pytest.raises(ValueError, match="must be one of .*; got 'Sequential'"):
        count_upsampler(nn.Sequential(), (8, 8, 8), (8, 4, 4))


def test_an_upsampler_made_for_other_maps_is_refused():
    upsampler = build_upsampler("carafe", 8, 8)
    with pytest.raises(ValueError, match="feature must be"):
        count_upsampler(upsampler, (8, 8, 8), (6, 4, 4))
    with pytest.raises(ValueError, match="twice the size"):
        count_upsampler(upsampler, (8, 12, 8), (8, 4, 4))
