"""Models whose encoder their configuration chooses."""

from typing import Any

import torch
from transformers import AutoBackbone, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BackboneOutput

from .configuration_sapa_efficientnet_lite import SapaEfficientNetLiteConfig
from .modeling_sapa_efficientnet_lite import SapaEfficientNetLiteBackbone
from .pretrained import UpsamplingPreTrainedModel


class EncoderPreTrainedModel(UpsamplingPreTrainedModel):
    """A model that can have any encoder, as `backbone`."""

    backbone: Any  # an `AutoBackbone`

    def take_encoder(self, config: PretrainedConfig) -> list[int]:
        """Make `backbone` with random weights.

        Args:
            config: From `encoder_config`.

        Returns:
            The channels of its maps, finest first.
        """
        self.backbone = build_encoder(config)
        self.base_model_prefix = "backbone"  # an encoder's own checkpoint has its names without it
        self.supports_gradient_checkpointing = self.backbone.supports_gradient_checkpointing
        return list(self.backbone.channels)

    def encode(
        self, pixel_values: torch.Tensor, output_hidden_states: bool = False, output_attentions: bool = False
    ) -> tuple[tuple[torch.Tensor, ...], BackboneOutput]:
        """Run `backbone`: its maps, finest first, and the output with what else is wanted and it has."""
        output = self.backbone.forward_with_filtered_kwargs(
            pixel_values,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=True,
        )
        return tuple(output.feature_maps), output


def build_encoder(config: PretrainedConfig) -> PreTrainedModel:
    """Make an encoder with random weights: an `AutoBackbone`."""
    if config.model_type == SapaEfficientNetLiteConfig.model_type:  # also where nobody has registered it
        return SapaEfficientNetLiteBackbone(config)  # type: ignore[arg-type]  # its class may be a copy
    return AutoBackbone.from_config(config)


def let_transformers_build(config: PretrainedConfig) -> None:
    """Have transformers' own models find this encoder by `AutoBackbone`, also where nobody registered it."""
    if config.model_type == SapaEfficientNetLiteConfig.model_type:
        AutoBackbone.register(type(config), SapaEfficientNetLiteBackbone, exist_ok=True)
