"""The files that travel to the Hub beside the weights: operator, modules and models."""

from .a2u import A2U
from .affiliation import sapa_upsample
from .affiliation_windowed import affiliation_weights
from .backend import set_backend, use_backend
from .bilinear_additive import BilinearAdditive
from .carafe import CARAFE
from .configuration_sapa_a2u_matting import SapaA2uMattingConfig
from .configuration_sapa_bts import SapaBtsConfig
from .configuration_sapa_efficientnet_lite import SapaEfficientNetLiteConfig
from .configuration_sapa_faster_rcnn import SapaFasterRcnnConfig
from .configuration_sapa_glpn import SapaGlpnConfig
from .configuration_sapa_mask2former import SapaMask2FormerConfig
from .configuration_sapa_maskformer import SapaMaskFormerConfig
from .configuration_sapa_segformer import SapaSegformerConfig
from .configuration_sapa_segnet import SapaSegNetConfig
from .configuration_sapa_upernet import SapaUperNetConfig
from .deconv import Deconv
from .dysample import DySample
from .fade import FADE
from .gaussian import Gaussian
from .guided_upsampler import GuidedUpsampler
from .indexnet import IndexNet
from .interpolation import Bilinear, Nearest
from .max_unpool import MaxUnpool
from .modeling_sapa_a2u_matting import SapaA2uMattingForImageMatting, resnet34_names
from .modeling_sapa_bts import SapaBtsForDepthEstimation
from .modeling_sapa_efficientnet_lite import SapaEfficientNetLiteBackbone
from .modeling_sapa_faster_rcnn import SapaFasterRcnnForObjectDetection
from .modeling_sapa_glpn import SapaGlpnForDepthEstimation
from .modeling_sapa_mask2former import SapaMask2FormerForUniversalSegmentation
from .modeling_sapa_maskformer import SapaMaskFormerForUniversalSegmentation
from .modeling_sapa_segformer import SapaSegformerForSemanticSegmentation
from .modeling_sapa_segnet import SapaSegNetForSemanticSegmentation, vgg_names
from .modeling_sapa_upernet import SapaUperNetForSemanticSegmentation
from .pixel_shuffle import PixelShuffle
from .pixel_tcl import PixelTCL
from .sapa import SAPA
from .sapa_d import SAPADeform
from .upsampler import UPSAMPLERS, build_upsampler

__all__ = [
    "A2U",
    "Bilinear",
    "BilinearAdditive",
    "CARAFE",
    "Deconv",
    "DySample",
    "FADE",
    "Gaussian",
    "GuidedUpsampler",
    "IndexNet",
    "MaxUnpool",
    "Nearest",
    "PixelShuffle",
    "PixelTCL",
    "SAPA",
    "SAPADeform",
    "SapaA2uMattingConfig",
    "SapaA2uMattingForImageMatting",
    "SapaBtsConfig",
    "SapaBtsForDepthEstimation",
    "SapaEfficientNetLiteBackbone",
    "SapaEfficientNetLiteConfig",
    "SapaFasterRcnnConfig",
    "SapaFasterRcnnForObjectDetection",
    "SapaGlpnConfig",
    "SapaGlpnForDepthEstimation",
    "SapaMask2FormerConfig",
    "SapaMask2FormerForUniversalSegmentation",
    "SapaMaskFormerConfig",
    "SapaMaskFormerForUniversalSegmentation",
    "SapaSegNetConfig",
    "SapaSegNetForSemanticSegmentation",
    "SapaSegformerConfig",
    "SapaSegformerForSemanticSegmentation",
    "SapaUperNetConfig",
    "SapaUperNetForSemanticSegmentation",
    "UPSAMPLERS",
    "affiliation_weights",
    "build_upsampler",
    "resnet34_names",
    "sapa_upsample",
    "set_backend",
    "use_backend",
    "vgg_names",
]
