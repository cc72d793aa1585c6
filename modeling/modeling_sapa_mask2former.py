"""Mask2Former with a choice of encoder and upsampler."""

from transformers import Mask2FormerForUniversalSegmentation, Mask2FormerModel

from .configuration_sapa_mask2former import SapaMask2FormerConfig
from .encoder import let_transformers_build
from .mask2former_decoder import SapaMask2FormerPixelDecoder
from .universal_segmentation import QueryModel, UniversalSegmentationModel
from .upsampler_config import config_options


class SapaMask2FormerModel(QueryModel, Mask2FormerModel):
    """Encoder and decoders of Mask2Former, whose pixel decoder upsamples once by `config.upsampler`."""

    config_class = SapaMask2FormerConfig

    def __init__(self, config: SapaMask2FormerConfig):
        super().__init__(config)
        pixels = self.pixel_level_module
        pixels.decoder = SapaMask2FormerPixelDecoder(
            config, pixels.encoder.channels, config.upsampler, **config_options(config)
        )
        self.post_init()


class SapaMask2FormerForUniversalSegmentation(
    UniversalSegmentationModel, Mask2FormerForUniversalSegmentation
):
    """transformers' Mask2Former with a choice of upsampler in its pixel decoder.

    With "bilinear" the predictions equal those of transformers' `Mask2FormerForUniversalSegmentation` bit for
    bit. Any upsampler starts from such a checkpoint, with nothing new but
    `model.pixel_level_module.decoder.upsampler`. Needs scipy, which matches queries to masks.
    """

    config_class = SapaMask2FormerConfig
    base_model_prefix = "model.pixel_level_module.encoder"  # an encoder's own checkpoint lacks this prefix

    def __init__(self, config: SapaMask2FormerConfig):
        let_transformers_build(config.backbone_config)
        super().__init__(config)
        self.model = SapaMask2FormerModel(config)
        self.supports_gradient_checkpointing = self.backbone.supports_gradient_checkpointing
        self.post_init()


__all__ = ["SapaMask2FormerForUniversalSegmentation"]
