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
