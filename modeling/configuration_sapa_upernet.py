"""Configuration of UperNet with a choice of upsampler, on any encoder."""

from transformers import PretrainedConfig, UperNetConfig

from .auto_class import offer_to_auto_model
from .compiled_code import refuse_compiled_code
from .encoder_config import EncoderConfigMixin, encoder_config
from .upsampler import check_config

MAPS = 4  # at 1/4 to 1/32


class SapaUperNetConfig(EncoderConfigMixin, UperNetConfig):
    """UperNet's configuration, its encoder's, and the upsampler of its top-down path.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is transformers' UperNet exactly.
        upsampler_kernel_size: Odd window size K.
        upsampler_embedding_dim: Embedding dimension d.
        upsampler_normalization: "softmax", "relu", "sigmoid" or "softplus".
        upsampler_border: "zero", as released, or "mask".
        backbone_config: The encoder's configuration or its fields, model_type among them; it gives four maps,
            at 1/4 to 1/32. ResNet-50 by default.
        kwargs: Everything that `UperNetConfig` takes.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    model_type = "sapa_upernet"
    whole_types = ("upernet",)
    attribute_map = {"semantic_loss_ignore_index": "loss_ignore_index"}

    def __init__(
        self,
        upsampler: str = "sapa-g",
        upsampler_kernel_size: int = 5,
        upsampler_embedding_dim: int = 64,
        upsampler_normalization: str = "softmax",
        upsampler_border: str = "zero",
        backbone_config: dict | PretrainedConfig | None = None,
        **kwargs,
    ):
        self.upsampler = upsampler
        self.upsampler_kernel_size = upsampler_kernel_size
        self.upsampler_embedding_dim = upsampler_embedding_dim
        self.upsampler_normalization = upsampler_normalization
        self.upsampler_border = upsampler_border
        check_config(self)
        refuse_compiled_code(kwargs)
        encoder = {"model_type": "resnet"} if backbone_config is None else backbone_config
        super().__init__(backbone_config=encoder_config(encoder, MAPS), **kwargs)
        offer_to_auto_model(self, "modeling_sapa_upernet.SapaUperNetForSemanticSegmentation")
