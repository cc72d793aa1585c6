"""The files that travel to the Hub beside the weights: operator, modules and models."""

from .affiliation import sapa_upsample
from .configuration_sapa_bts import SapaBtsConfig
from .configuration_sapa_glpn import SapaGlpnConfig
from .configuration_sapa_segformer import SapaSegformerConfig
from .interpolation import Bilinear, Nearest
from .modeling_sapa_bts import SapaBtsForDepthEstimation
from .modeling_sapa_glpn import SapaGlpnForDepthEstimation
from .modeling_sapa_segformer import SapaSegformerForSemanticSegmentation
from .sapa import SAPA
from .upsampler import UPSAMPLERS, build_upsampler
from .windowed import affiliation_weights

__all__ = [
    "SAPA",
    "UPSAMPLERS",
    "Bilinear",
    "Nearest",
    "SapaBtsConfig",
    "SapaBtsForDepthEstimation",
    "SapaGlpnConfig",
    "SapaGlpnForDepthEstimation",
    "SapaSegformerConfig",
    "SapaSegformerForSemanticSegmentation",
    "affiliation_weights",
    "build_upsampler",
    "sapa_upsample",
]
