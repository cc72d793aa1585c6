"""Configuration of SegFormer with a choice of upsampler."""

from transformers import PretrainedConfig, SegformerConfig

from .auto_class import offer_to_auto_model
from .checks import check_stages
from .encoder_config import EncoderConfigMixin, encoder_config
from .upsampler_config import DEFAULTS, UpsamplerConfig

MAPS = 4  # at 1/4 to 1/32


class SapaSegformerConfig(UpsamplerConfig, EncoderConfigMixin, SegformerConfig):
    """SegFormer's configuration and the upsampler of its decode head.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is transformers' SegFormer
            exactly.
        backbone_config: The configuration of another encoder in place of SegFormer's own, or its fields,
            model_type among them; it gives four maps, at 1/4 to 1/32. The encoder's fields of
            `SegformerConfig` then have no effect.
        kwargs: The other `UpsamplerFields`, and everything that `SegformerConfig` takes.

    Raises:
        TypeError: An upsampler field has the wrong type.
        ValueError: An upsampler field has a wrong value, or a field asks for compiled code from the Hub.
    """

    model_type = "sapa_segformer"
    whole_types = ("segformer",)

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        backbone_config: dict | PretrainedConfig | None = None,
        **kwargs,
    ):
        self.backbone_config = None if backbone_config is None else encoder_config(backbone_config, MAPS)
        super().__init__(upsampler=upsampler, **kwargs)
        check_stages(self)
        if not self.reshape_last_stage:
            raise ValueError(
                "reshape_last_stage must be True, got False: the decode head needs every stage as a map."
            )
        offer_to_auto_model(self, "modeling_sapa_segformer.SapaSegformerForSemanticSegmentation")
