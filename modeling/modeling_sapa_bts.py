"""BTS for depth estimation with a choice of upsampler."""

from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from transformers import ResNetModel
from transformers.modeling_outputs import DepthEstimatorOutput

from .bts_decoder import SapaBtsDecoder
from .configuration_sapa_bts import SapaBtsConfig
from .depth_loss import depth_loss
from .padding import pad_to_multiple
from .pretrained import UpsamplingPreTrainedModel


class SapaBtsForDepthEstimation(UpsamplingPreTrainedModel):
    """The paper's depth model: BTS on transformers' ResNet, its upsampler chosen by `config.upsampler`.

    "nearest" is BTS as published. `from_pretrained("microsoft/resnet-50", upsampler=...)` starts from an
    ImageNet-pretrained encoder: new is the whole decoder, unused the checkpoint's classifier.
    """

    config_class = SapaBtsConfig
    base_model_prefix = "resnet"
    _no_split_modules = ["ResNetStage", "UpsamplingStage"]

    def __init__(self, config: SapaBtsConfig):
        super().__init__(config)
        self.resnet = ResNetModel(config)
        self.decoder = SapaBtsDecoder(config)
        self.gradient_checkpointing = False
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):  # the decoder's; the encoder starts as ResNet does
            nn.init.xavier_uniform_(module.weight)
            return
        super()._init_weights(module)

    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> DepthEstimatorOutput | tuple:
        """Estimate the depth of every pixel.

        Args:
            pixel_values: (B, 3, H, W), any size of at least 32, normalised with ImageNet's mean and
                deviation. Training on a single image needs more than 32 x 32: batch normalisation needs more
                than one value.
            labels: (B, H, W) floating point metres; pixels that are 0 or not finite have no measurement.
            output_hidden_states: Return the encoder's stem and four stages, of the image padded to multiples
                of 32.
            output_attentions: There are none; None is returned.
            return_dict: Return a `DepthEstimatorOutput` rather than a tuple.

        Returns:
            Depth (B, H, W) in metres and, with labels, the loss (0, with a graph, where nothing is measured).

        Raises:
            TypeError: Labels are integers.
            ValueError: Labels are not as large as the images.
        """
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        height, width = pixel_values.shape[-2:]
        stages = self._encode(pad_to_multiple(pixel_values))
        depth = self.decoder(stages)[:, 0, :height, :width]  # (B, H, W)
        output = DepthEstimatorOutput(
            loss=None if labels is None else depth_loss(depth, labels, self.config),
            predicted_depth=depth,
            hidden_states=stages if wanted else None,
        )
        as_dict = self.config.return_dict if return_dict is None else return_dict
        return output if as_dict else output.to_tuple()

    def _encode(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run the encoder: its stem at 1/2, which transformers returns only after the pooling, and stages."""
        embedder = self.resnet.embedder
        stages = [embedder.embedder(pixel_values)]  # (B, 64, H/2, W/2)
        hidden = embedder.pooler(stages[0])
        for stage in self.resnet.encoder.stages:
            hidden = self._run(stage, hidden)
            stages.append(hidden)
        return tuple(stages)

    def _run(self, stage: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
        if not (self.gradient_checkpointing and self.training):
            return stage(hidden)
        for layer in stage.layers:
            hidden = self._gradient_checkpointing_func(
                layer.__call__,
                hidden,
                context_fn=lambda layer=layer: (nullcontext(), statistics_kept(layer)),
            )
        return hidden


@contextmanager
def statistics_kept(module: nn.Module):
    """Hold still the running averages of batch normalisation, which the first pass moved already."""
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


__all__ = ["SapaBtsForDepthEstimation"]
