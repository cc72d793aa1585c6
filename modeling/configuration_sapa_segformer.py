"""Configuration of SegFormer with a choice of upsampler."""

from transformers import SegformerConfig

from .auto_class import offer_to_auto_model
from .checks import check_stages
from .upsampler_config import DEFAULTS, UpsamplerConfig


class SapaSegformerConfig(UpsamplerConfig, SegformerConfig):
    """SegFormer's configuration and the upsampler of its decode head.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is transformers' SegFormer
            exactly.
        kwargs: The other `UpsamplerFields`, and everything that `SegformerConfig` takes.

    Raises:
        TypeError: An upsampler field has the wrong type.
        ValueError: An upsampler field has a wrong value, or a field asks for compiled code from the Hub.
    """

    model_type = "sapa_segformer"

    def __init__(self, upsampler: str = DEFAULTS["upsampler"], **kwargs):
        super().__init__(upsampler=upsampler, **kwargs)
        check_stages(self)
        if not self.reshape_last_stage:
            raise ValueError(
                "reshape_last_stage must be True, got False: the decode head needs every stage as a map."
            )
        offer_to_auto_model(self, "modeling_sapa_segformer.SapaSegformerForSemanticSegmentation")
