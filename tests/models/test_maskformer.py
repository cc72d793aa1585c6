"""SAPA-MaskFormer: transformers' MaskFormer with "nearest", and the contract of universal segmenters."""

import pytest
import torch
from transformers import MaskFormerConfig, MaskFormerForInstanceSegmentation
from universal_contract import LITE, MASKFORMER, UniversalContract

from sapa_hf import SapaMaskFormerConfig, SapaMaskFormerForUniversalSegmentation


class TestSapaMaskFormer(UniversalContract):
    config_class = SapaMaskFormerConfig
    model_class = SapaMaskFormerForUniversalSegmentation
    stock_class = MaskFormerForInstanceSegmentation
    stock_config_class = MaskFormerConfig
    own = "nearest"
    sites = "model.pixel_level_module.decoder.fpn.layers."
    heads = ("model.pixel_level_module.decoder.fpn.layers",)
    uncalled = ("model.transformer_module.queries_embedder",)
    tiny = MASKFORMER | {"backbone_config": LITE, "num_labels": 7}


@pytest.mark.parametrize(
    ("name", "dim", "added"),
    [
        ("nearest", 64, 0),
        ("sapa-i", 64, 0),
        ("sapa-b", 64, 101_760),
        ("sapa-g", 32, 77_859),
        ("carafe", 64, 222_444),
    ],
)
def test_it_has_as_many_parameters_as_the_paper_s(name, dim, added):
    with torch.device("meta"):
        config = SapaMaskFormerConfig(num_labels=150, upsampler=name, upsampler_embedding_dim=dim)
        model = SapaMaskFormerForUniversalSegmentation(config)
    assert model.num_parameters() == 101_831_439 + added


def test_a_new_decoder_s_queries_differ_where_its_recipe_says_how_it_starts():
    """transformers' 0.02 leaves queries that dropout alone tells apart."""
    tiny = TestSapaMaskFormer.tiny | {"decoder_config": MASKFORMER["decoder_config"] | {"init_std": 0.1}}
    model = SapaMaskFormerForUniversalSegmentation(SapaMaskFormerConfig(**tiny)).eval()
    transformer = model.model.transformer_module
    assert 0.8 < transformer.queries_embedder.weight.std() < 1.2
    deviations = [p.std().item() for p in transformer.decoder.parameters() if p.dim() > 1]
    assert min(deviations) > 0.09 and max(deviations) < 0.11
    with torch.no_grad():
        states = model(torch.randn(1, 3, 64, 96)).transformer_decoder_last_hidden_state[0]
    assert states.std(0).mean() > 0.01  # from query to query; 0.0001 as transformers starts
