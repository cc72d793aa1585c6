"""Configuration of SegFormer with a choice of upsampler."""

from transformers import SegformerConfig

from .auto_class import offer_to_auto_model
from .checks import check_stages
from .compiled_code import refuse_compiled_code
from .upsampler import check_config


class SapaSegformerConfig(SegformerConfig):
    """SegFormer's configuration and the upsampler of its decode head.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is transformers' SegFormer
            exactly.
        upsampler_kernel_size: Odd window size K.
        upsampler_embedding_dim: Embedding dimension d; the paper's final tables use 32.
        upsampler_normalization: "softmax", "relu", "sigmoid" or "softplus".
        upsampler_border: "zero", as released, or "mask".
        kwargs: Everything that `SegformerConfig` takes.

    Raises:
        TypeError: An upsampler field has the wrong type.
        ValueError: An upsampler field has a wrong value, or a field asks for compiled code from the Hub.
    """

    model_type = "sapa_segformer"

    def __init__(
        self,
        upsampler: str = "sapa-g",
        upsampler_kernel_size: int = 5,
        upsampler_embedding_dim: int = 64,
        upsampler_normalization: str = "softmax",
        upsampler_border: str = "zero",
        **kwargs,
    ):
        self.upsampler = upsampler
        self.upsampler_kernel_size = upsampler_kernel_size
        self.upsampler_embedding_dim = upsampler_embedding_dim
        self.upsampler_normalization = upsampler_normalization
        self.upsampler_border = upsampler_border
        check_config(self)
        refuse_compiled_code(kwargs)
        super().__init__(**kwargs)
        check_stages(self)
        if not self.reshape_last_stage:
            raise ValueError(
                "reshape_last_stage=False came; the decode head needs every stage as a map: use True."
            )
        offer_to_auto_model(self, "modeling_sapa_segformer.SapaSegformerForSemanticSegmentation")
