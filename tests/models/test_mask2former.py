"""SAPA-Mask2Former: transformers' Mask2Former with "bilinear", and the contract of universal segmenters."""

import pytest
import torch
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation
from universal_contract import LITE, MASK2FORMER, UniversalContract

from sapa_hf import SapaMask2FormerConfig, SapaMask2FormerForUniversalSegmentation
from sapa_hf.paper.tables.sites import SWIN_B


class TestSapaMask2Former(UniversalContract):
    config_class = SapaMask2FormerConfig
    model_class = SapaMask2FormerForUniversalSegmentation
    stock_class = Mask2FormerForUniversalSegmentation
    stock_config_class = Mask2FormerConfig
    own = "bilinear"
    sites = "model.pixel_level_module.decoder."
    heads = tuple(
        f"model.pixel_level_module.decoder.{part}" for part in ("adapter_1", "layer_1", "upsampler")
    )
    uncalled = (
        "model.transformer_module.level_embed",
        "model.transformer_module.decoder.layers.1.cross_attn.out_proj",
        "model.transformer_module.decoder.layers.0.cross_attn.out_proj",
        "model.transformer_module.queries_features",
        "model.transformer_module.queries_embedder",
    )
    tiny = MASK2FORMER | {"backbone_config": LITE, "num_labels": 7}


@pytest.mark.parametrize(
    ("name", "dim", "added"), [("bilinear", 64, 0), ("sapa-b", 64, 33_920), ("sapa-g", 32, 25_953)]
)
def test_it_has_as_many_parameters_as_the_paper_s(name, dim, added):
    with torch.device("meta"):
        config = SapaMask2FormerConfig(
            backbone_config=SWIN_B, num_labels=150, upsampler=name, upsampler_embedding_dim=dim
        )
        model = SapaMask2FormerForUniversalSegmentation(config)
    assert model.num_parameters() == 106_924_239 + added


def test_strides_that_leave_no_single_step_are_refused():
    with pytest.raises(ValueError, match="common_stride must be 4"):
        SapaMask2FormerConfig(common_stride=8)


def test_new_queries_start_as_far_apart_as_their_authors_have_them():
    model = SapaMask2FormerForUniversalSegmentation(SapaMask2FormerConfig(**TestSapaMask2Former.tiny))
    for part in ("queries_embedder", "queries_features"):
        assert 0.8 < getattr(model.model.transformer_module, part).weight.std() < 1.2
