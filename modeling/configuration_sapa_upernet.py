"""Configuration of UperNet with a choice of upsampler, on any encoder."""

from transformers import PretrainedConfig, UperNetConfig

from .auto_class import offer_to_auto_model
from .encoder_config import EncoderConfigMixin, encoder_config
from .upsampler_config import DEFAULTS, UpsamplerConfig

MAPS = 4  # at 1/4 to 1/32


class SapaUperNetConfig(UpsamplerConfig, EncoderConfigMixin, UperNetConfig):
    """UperNet's configuration, its encoder's, and the upsampler of its top-down path.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is transformers' UperNet exactly.
        backbone_config: The encoder's configuration or its fields, model_type among them; it gives four maps,
            at 1/4 to 1/32. ResNet-50 by default.
        kwargs: The other `UpsamplerFields`, and everything that `UperNetConfig` takes.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    model_type = "sapa_upernet"
    whole_types = ("upernet",)
    attribute_map = {"semantic_loss_ignore_index": "loss_ignore_index"}

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        backbone_config: dict | PretrainedConfig | None = None,
        **kwargs,
    ):
        self.backbone_config: PretrainedConfig  # where a dict is given too
        encoder = {"model_type": "resnet"} if backbone_config is None else backbone_config
        super().__init__(upsampler=upsampler, backbone_config=encoder_config(encoder, MAPS), **kwargs)
        offer_to_auto_model(self, "modeling_sapa_upernet.SapaUperNetForSemanticSegmentation")
