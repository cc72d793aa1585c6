"""GLPN for depth estimation with a choice of upsampler."""

from collections.abc import Collection

import torch
from transformers import GLPNModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import DepthEstimatorOutput
from transformers.models.glpn.modeling_glpn import GLPNLayer

from .configuration_sapa_glpn import SapaGlpnConfig
from .depth_loss import depth_loss
from .glpn_decoder import SapaGlpnDecoder, SapaGlpnHead
from .padding import pad_to_multiple
from .pretrained import UpsamplingPreTrainedModel


class CheckpointedGlpnLayer(GradientCheckpointingLayer, GLPNLayer):
    """A layer of transformers' GLPN, which has no gradient checkpointing of its own."""


class SapaGlpnForDepthEstimation(UpsamplingPreTrainedModel):
    """transformers' GLPN, SegFormer's depth model, whose upsampler is chosen by `config.upsampler`.

    With "bilinear" the depth equals that of transformers' `GLPNForDepthEstimation` bit for bit (at sizes that
    are multiples of 32; it refuses others). Any upsampler starts from such a checkpoint:
    `from_pretrained(checkpoint, upsampler="sapa-g")` leaves new just the upsamplers' parameters. An
    ImageNet-pretrained SegFormer encoder fits with `key_mapping={"^segformer.": "glpn."}`.
    """

    config_class = SapaGlpnConfig
    base_model_prefix = "glpn"
    _no_split_modules = ["CheckpointedGlpnLayer"]

    def __init__(self, config: SapaGlpnConfig):
        super().__init__(config)
        self.glpn = GLPNModel(config)
        for layer in (layer for stage in self.glpn.encoder.block for layer in stage.children()):
            layer.__class__ = CheckpointedGlpnLayer  # same parameters, same forward
        self.decoder = SapaGlpnDecoder(config)
        self.head = SapaGlpnHead(config)
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | Collection[int] | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> DepthEstimatorOutput | tuple:
        """Estimate the depth of every pixel.

        Args:
            pixel_values: (B, 3, H, W), any size, scaled to 0..1 as GLPNImageProcessor does.
            labels: (B, H, W) floating point metres; pixels that are 0 or not finite have no measurement.
            output_hidden_states: Return the four encoder stages, of the image padded to multiples of 32;
                indices return only those.
            output_attentions: Return the encoder's attentions.
            return_dict: Return a `DepthEstimatorOutput` rather than a tuple.

        Returns:
            Depth (B, H, W) in metres and, with labels, the loss (0, with a graph, where nothing is measured).

        Raises:
            TypeError: Labels are integers.
            ValueError: Labels are not as large as the images.
        """
        height, width = pixel_values.shape[-2:]
        stages, attentions = self._encode(
            pad_to_multiple(pixel_values), self.wants_attentions(output_attentions)
        )
        depth = self.head(self.decoder(stages))[:, :height, :width]  # (B, H, W)
        loss = None if labels is None else depth_loss(depth, labels, self.config)
        output = DepthEstimatorOutput(loss=loss, predicted_depth=depth, attentions=attentions)  # type: ignore[arg-type]  # written for FloatTensor
        return self.finish(output, stages, output_hidden_states, return_dict)

    def _encode(self, pixel_values: torch.Tensor, attended: bool) -> tuple[tuple, tuple | None]:
        """Run the encoder: its stages, finest first, and its attentions where they are wanted."""
        outputs = self.glpn(
            pixel_values, output_hidden_states=True, output_attentions=attended, return_dict=True
        )
        return outputs.hidden_states, outputs.attentions


__all__ = ["SapaGlpnForDepthEstimation"]
