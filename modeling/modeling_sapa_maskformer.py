"""MaskFormer with a choice of encoder and upsampler."""

from torch import nn
from transformers import MaskFormerForInstanceSegmentation, MaskFormerModel

from .configuration_sapa_maskformer import SapaMaskFormerConfig
from .encoder import let_transformers_build
from .maskformer_fpn import SapaMaskFormerFPNLayer
from .universal_segmentation import QueryModel, UniversalSegmentationModel
from .upsampler_config import config_options


class SapaMaskFormerModel(QueryModel, MaskFormerModel):
    """Encoder and decoders of MaskFormer, whose pixel decoder upsamples three times by `config.upsampler`."""

    config_class = SapaMaskFormerConfig

    def __init__(self, config: SapaMaskFormerConfig):
        super().__init__(config)
        size, options = config.fpn_feature_size, config_options(config)
        laterals = self.pixel_level_module.encoder.channels[-2::-1]  # coarsest first
        self.pixel_level_module.decoder.fpn.layers = nn.ModuleList(  # type: ignore[assignment]  # its layers are called one by one
            SapaMaskFormerFPNLayer(size, lateral, config.upsampler, **options) for lateral in laterals
        )
        self.post_init()


class SapaMaskFormerForUniversalSegmentation(UniversalSegmentationModel, MaskFormerForInstanceSegmentation):
    """transformers' MaskFormer with a choice of upsampler in its pixel decoder.

    With "nearest" the predictions equal those of transformers' `MaskFormerForInstanceSegmentation` bit for
    bit. Any upsampler starts from such a checkpoint, with nothing new but
    `model.pixel_level_module.decoder.fpn.layers.*.upsampler`. Needs scipy, which matches queries to masks.
    """

    config_class = SapaMaskFormerConfig
    base_model_prefix = "model.pixel_level_module.encoder"  # an encoder's own checkpoint lacks this prefix
    _keys_to_ignore_on_load_missing = [
        "relative_position_index"
    ]  # Swin computes it; not all checkpoints have it

    def __init__(self, config: SapaMaskFormerConfig):
        let_transformers_build(config.backbone_config)
        super().__init__(config)
        self.model = SapaMaskFormerModel(config)
        self.supports_gradient_checkpointing = self.backbone.supports_gradient_checkpointing
        self.post_init()


__all__ = ["SapaMaskFormerForUniversalSegmentation"]
