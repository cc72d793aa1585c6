"""Configuration of MaskFormer with a choice of upsampler, on any encoder."""

from transformers import MaskFormerConfig, MaskFormerSwinConfig, PretrainedConfig

from .auto_class import offer_to_auto_model
from .encoder_config import EncoderConfigMixin, encoder_config
from .upsampler_config import DEFAULTS, UpsamplerConfig

MAPS = 4  # at 1/4 to 1/32


class SapaMaskFormerConfig(UpsamplerConfig, EncoderConfigMixin, MaskFormerConfig):
    """MaskFormer's configuration, its encoder's, and the upsampler of its pixel decoder.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "nearest" is transformers' MaskFormer.
        backbone_config: The encoder's configuration or its fields, model_type among them; it gives four maps,
            at 1/4 to 1/32. Swin-B by default.
        loss_ignore_index: Label of the pixels that belong to no mask.
        kwargs: The other `UpsamplerFields`, and everything that `MaskFormerConfig` takes.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    model_type = "sapa_maskformer"
    whole_types = ("maskformer",)
    attribute_map = {**MaskFormerConfig.attribute_map, "semantic_loss_ignore_index": "loss_ignore_index"}
    sub_configs = MaskFormerConfig.sub_configs

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        backbone_config: dict | PretrainedConfig | None = None,
        loss_ignore_index: int = 255,
        **kwargs,
    ):
        self.backbone_config: PretrainedConfig  # where a dict or nothing is given too
        encoder = None if backbone_config is None else encoder_config(backbone_config, MAPS)
        if encoder is not None and encoder.model_type == "swin":  # MaskFormer has its own form of it
            encoder = MaskFormerSwinConfig.from_dict(encoder.to_dict())
        if isinstance(kwargs.get("decoder_config"), dict):  # transformers takes model_type out of it
            kwargs["decoder_config"] = dict(kwargs["decoder_config"])
        super().__init__(upsampler=upsampler, backbone_config=encoder, **kwargs)
        self.loss_ignore_index = loss_ignore_index
        offer_to_auto_model(self, "modeling_sapa_maskformer.SapaMaskFormerForUniversalSegmentation")
