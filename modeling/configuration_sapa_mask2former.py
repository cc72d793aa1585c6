"""Configuration of Mask2Former with a choice of upsampler, on any encoder."""

from transformers import Mask2FormerConfig, PretrainedConfig

from .auto_class import offer_to_auto_model
from .encoder_config import EncoderConfigMixin, encoder_config
from .upsampler_config import DEFAULTS, UpsamplerConfig

MAPS = 4  # at 1/4 to 1/32


class SapaMask2FormerConfig(UpsamplerConfig, EncoderConfigMixin, Mask2FormerConfig):
    """Mask2Former's configuration, its encoder's, and the upsampler of its pixel decoder.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is transformers' Mask2Former.
        backbone_config: The encoder's configuration or its fields, model_type among them; it gives four maps,
            at 1/4 to 1/32. Swin-T by default.
        kwargs: The other `UpsamplerFields`, and everything that `Mask2FormerConfig` takes.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    model_type = "sapa_mask2former"
    whole_types = ("mask2former",)
    attribute_map = {
        **Mask2FormerConfig.attribute_map,
        "loss_ignore_index": "ignore_value",
        "semantic_loss_ignore_index": "ignore_value",
    }
    sub_configs = Mask2FormerConfig.sub_configs

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        backbone_config: dict | PretrainedConfig | None = None,
        **kwargs,
    ):
        self.backbone_config: PretrainedConfig  # where a dict or nothing is given too
        encoder = None if backbone_config is None else encoder_config(backbone_config, MAPS)
        super().__init__(upsampler=upsampler, backbone_config=encoder, **kwargs)
        if (self.common_stride, list(self.feature_strides)) != (4, [4, 8, 16, 32]):
            raise ValueError(
                "common_stride must be 4 and feature_strides [4, 8, 16, 32], which make one upsampling step; "
                f"got {self.common_stride} and {list(self.feature_strides)}."
            )
        offer_to_auto_model(self, "modeling_sapa_mask2former.SapaMask2FormerForUniversalSegmentation")
