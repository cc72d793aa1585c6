"""Mask2Former's pixel decoder with a choice of upsampler."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoder,
    Mask2FormerPixelDecoderOutput,
)

from .upsampler import build_upsampler


class SapaMask2FormerPixelDecoder(Mask2FormerPixelDecoder):
    """transformers' decoder, whose step from 1/8 to 1/4 is upsampled with the encoder's map as guide.

    Args:
        config: Of the model.
        channels: Of the encoder's maps, finest first.
        name: Of the upsampler.
        options: Of `build_upsampler`.
    """

    def __init__(self, config: Mask2FormerConfig, channels: Sequence[int], name: str, **options):
        super().__init__(config, channels)
        self.num_fpn_levels = 0  # transformers' forward ends at 1/8; the step that it had follows in ours
        # Made anew, because torch.Tensor(...), as there, does not heed torch.device("meta").
        self.level_embed = nn.Parameter(torch.empty(self.num_feature_levels, config.feature_size))
        self.upsampler = build_upsampler(name, config.feature_size, config.feature_size, **options)

    adapter_1: nn.Sequential  # made by transformers, by name
    layer_1: nn.Sequential

    def forward(  # type: ignore[override]  # the rest of the arguments is passed on
        self, features: Sequence[torch.Tensor], **arguments
    ) -> Mask2FormerPixelDecoderOutput:
        """Decode.

        Args:
            features: The encoder's maps, finest first.
            arguments: Of transformers' forward.

        Returns:
            Its output, with the mask features at 1/4.
        """
        output = super().forward(features, **arguments)
        guide = self.adapter_1(features[0])  # (B, C, H/4, W/4)
        fine = self.layer_1(guide + self.upsampler(guide, output.multi_scale_features[-1]).contiguous())
        output["mask_features"] = self.mask_projection(fine)
        return output
