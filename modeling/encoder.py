"""The encoder that a configuration asks for."""

from transformers import AutoBackbone, PretrainedConfig, PreTrainedModel

from .configuration_sapa_efficientnet_lite import SapaEfficientNetLiteConfig
from .modeling_sapa_efficientnet_lite import SapaEfficientNetLiteBackbone


def build_encoder(config: PretrainedConfig) -> PreTrainedModel:
    """Make an encoder with random weights.

    Args:
        config: From `encoder_config`.

    Returns:
        A model of transformers with `channels` and an output with `feature_maps`, finest first.
    """
    if config.model_type == SapaEfficientNetLiteConfig.model_type:  # also where nobody has registered it
        return SapaEfficientNetLiteBackbone(config)
    return AutoBackbone.from_config(config)
