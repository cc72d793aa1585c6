"""SAPA-Mask2Former: transformers' Mask2Former with "bilinear", and the contract of universal segmenters."""

import pytest
import torch
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation
from universal_contract import LITE, UniversalContract

from sapa_hf import SapaMask2FormerConfig, SapaMask2FormerForUniversalSegmentation

SWIN_B = {
    "model_type": "swin",
    "embed_dim": 128,
    "depths": [2, 2, 18, 2],
    "num_heads": [4, 8, 16, 32],
    "window_size": 12,
    "image_size": 384,
}


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
    tiny = {
        "backbone_config": LITE,
        "feature_size": 64,
        "mask_feature_size": 64,
        "hidden_dim": 64,
        "encoder_feedforward_dim": 32,
        "dim_feedforward": 32,
        "encoder_layers": 1,
        "decoder_layers": 3,
        "num_attention_heads": 2,
        "num_queries": 10,
        "train_num_points": 256,
        "num_labels": 7,
    }


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
