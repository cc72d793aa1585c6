"""Counts against the paper's published ones, and against a plain unfolded implementation."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sapa_hf import SapaSegformerConfig, SapaSegformerForSemanticSegmentation, build_upsampler
from sapa_hf.complexity import count_model, count_upsampler

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


def segformer(upsampler, embedding_dim=64, **config):
    config = SapaSegformerConfig(upsampler=upsampler, upsampler_embedding_dim=embedding_dim, **config)
    return SapaSegformerForSemanticSegmentation(config)


def test_bilinear_segformer_b1_is_the_published_baseline():
    complexity = count_model(segformer("bilinear", **B1))
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
    complexity = count_model(segformer("sapa-b", **B1))
    assert len(complexity.upsamplers) == 6
    assert complexity.added.flops / 1e9 == pytest.approx(3.325, abs=5e-4)
    assert complexity.added.parameters == 203_520
    assert complexity.plain.parameters == 13_715_798
    assert complexity.paper.multiply_adds == complexity.plain.multiply_adds + complexity.added.multiply_adds
    assert complexity.paper.parameters == complexity.model.parameters
    # Fusing early: 256 x 256 at 128^2 and three times at 64^2, in place of 1024 x 256 at 128^2.
    saved = 256 * 256 * (4 * 128**2 - 128**2 - 3 * 64**2)
    assert complexity.model.multiply_adds == complexity.paper.multiply_adds - saved


@pytest.mark.parametrize("name", ["sapa-b", "sapa-g", "sapa-p"])
def test_formula_equals_what_the_counter_measures_on_unfolded_windows(name):
    sapa = build_upsampler(name, 12, 8, kernel_size=3, embedding_dim=4)
    guide, feature = torch.randn(1, 12, 10, 8), torch.randn(1, 8, 5, 4)
    with FlopCounterMode(display=False) as counter:
        query, _ = sapa.query_and_key(guide, feature)
        pixels = query.shape[1] * query.shape[2]
        windows = torch.randn(pixels, 9, 4), torch.randn(pixels, 9, 8)
        weights = query.reshape(pixels, 1, 4) @ windows[0].transpose(1, 2)
        weights @ windows[1]
    assert count_upsampler(sapa, (12, 10, 8), (8, 5, 4)).multiply_adds == counter.get_total_flops() // 2


def test_interpolation_costs_nothing_and_a_nearest_model_is_counted():
    assert count_upsampler(build_upsampler("nearest", 8, 8), (8, 8, 8), (8, 4, 4)).multiply_adds == 0
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
    with pytest.raises(ValueError, match="Sequential is no upsampler; there are"):
        count_upsampler(nn.Sequential(), (8, 8, 8), (8, 4, 4))
