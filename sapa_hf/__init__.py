"""SAPA feature upsampling for transformers: operators, models, and what surrounds them.

Importing this package registers its models with transformers' Auto classes: they load without remote code.
"""

from transformers import (
    AutoBackbone,
    AutoConfig,
    AutoModel,
    AutoModelForDepthEstimation,
    AutoModelForImageMatting,
    AutoModelForObjectDetection,
    AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation,
)

from .modeling import (
    SAPA,
    SapaA2uMattingConfig,
    SapaA2uMattingForImageMatting,
    SapaBtsConfig,
    SapaBtsForDepthEstimation,
    SapaEfficientNetLiteBackbone,
    SapaEfficientNetLiteConfig,
    SapaFasterRcnnConfig,
    SapaFasterRcnnForObjectDetection,
    SapaGlpnConfig,
    SapaGlpnForDepthEstimation,
    SapaMask2FormerConfig,
    SapaMask2FormerForUniversalSegmentation,
    SapaMaskFormerConfig,
    SapaMaskFormerForUniversalSegmentation,
    SapaSegformerConfig,
    SapaSegformerForSemanticSegmentation,
    SapaSegNetConfig,
    SapaSegNetForSemanticSegmentation,
    SapaUperNetConfig,
    SapaUperNetForSemanticSegmentation,
    build_upsampler,
    sapa_upsample,
    set_backend,
    use_backend,
)
from .swap import find_upsampling, replace_upsampling, restore_upsampling

__version__ = "0.1.0"

_MODELS = (
    (SapaA2uMattingConfig, SapaA2uMattingForImageMatting, AutoModelForImageMatting),
    (SapaBtsConfig, SapaBtsForDepthEstimation, AutoModelForDepthEstimation),
    (SapaEfficientNetLiteConfig, SapaEfficientNetLiteBackbone, AutoBackbone),
    (SapaFasterRcnnConfig, SapaFasterRcnnForObjectDetection, AutoModelForObjectDetection),
    (SapaGlpnConfig, SapaGlpnForDepthEstimation, AutoModelForDepthEstimation),
    (SapaSegformerConfig, SapaSegformerForSemanticSegmentation, AutoModelForSemanticSegmentation),
    (SapaMask2FormerConfig, SapaMask2FormerForUniversalSegmentation, AutoModelForUniversalSegmentation),
    (SapaMaskFormerConfig, SapaMaskFormerForUniversalSegmentation, AutoModelForUniversalSegmentation),
    (SapaSegNetConfig, SapaSegNetForSemanticSegmentation, AutoModelForSemanticSegmentation),
    (SapaUperNetConfig, SapaUperNetForSemanticSegmentation, AutoModelForSemanticSegmentation),
)

for _config, _model, _auto in _MODELS:
    AutoConfig.register(_config.model_type, _config)
    AutoModel.register(_config, _model)
    _auto.register(_config, _model)
    _config.register_for_auto_class()
    _model.register_for_auto_class(_auto.__name__)

__all__ = [
    "SAPA",
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
    "build_upsampler",
    "find_upsampling",
    "replace_upsampling",
    "restore_upsampling",
    "sapa_upsample",
    "set_backend",
    "use_backend",
]
