"""A tiny SegFormer with any upsampler, whose kernels are not all alike, and a drawn photo."""

import numpy as np
import torch

from sapa_hf import SapaSegformerConfig, SapaSegformerForSemanticSegmentation

SHAPE = {
    "hidden_sizes": [8, 8, 16, 16],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "sr_ratios": [4, 2, 1, 1],
    "mlp_ratios": [2, 2, 2, 2],
    "decoder_hidden_size": 8,
    "upsampler_embedding_dim": 8,
    "initializer_range": 0.3,
}


def segformer(upsampler="sapa-g", **fields):
    torch.manual_seed(0)
    model = SapaSegformerForSemanticSegmentation(
        SapaSegformerConfig(upsampler=upsampler, num_labels=4, **SHAPE, **fields)
    ).eval()
    for parameter in model.decode_head.upsamplers.parameters():
        parameter.data.add_(0.6 * torch.randn_like(parameter))  # so that kernels are not all alike
    return model


def draw_photo(height=96, width=128):
    """A bright square on noise."""
    photo = np.random.default_rng(0).integers(0, 60, (height, width, 3), dtype=np.uint8)
    photo[height // 4 : height // 2, width // 4 : width // 2] = 240
    return photo
