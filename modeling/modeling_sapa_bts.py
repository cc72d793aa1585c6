"""BTS for depth estimation with a choice of upsampler."""

from collections.abc import Collection, Iterable

import torch
from torch import nn
from transformers import ResNetModel
from transformers.modeling_outputs import DepthEstimatorOutput

from .bts_decoder import SapaBtsDecoder
from .checkpointing import CheckpointedSequential
from .configuration_sapa_bts import MAPS, SapaBtsConfig
from .depth_loss import depth_loss
from .encoder import EncoderPreTrainedModel
from .padding import pad_to_multiple


class EncoderStage(nn.Module):
    """A stage of transformers' ResNet, with the encoder's pooling before the first and checkpointing.

    Args:
        layers: The layers of the stage that this one takes the place of.
        pooling: Runs before them; not in the stem, whose output is the decoder's finest guide.
    """

    def __init__(self, layers: Iterable[nn.Module], pooling: nn.Module | None = None):
        super().__init__()
        self.pooling = pooling
        self.layers = CheckpointedSequential(*layers)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, Cin, H, W) to (B, Cout, H/2, W/2)."""
        if self.pooling is not None:
            hidden = self.pooling(hidden)
        return self.layers(hidden)


class SapaBtsForDepthEstimation(EncoderPreTrainedModel):
    """The paper's depth model: BTS on transformers' ResNet, its upsampler chosen by `config.upsampler`.

    "nearest" is BTS as published. `from_pretrained("microsoft/resnet-50", upsampler=...)` starts from an
    ImageNet-pretrained encoder: new is the whole decoder, unused the checkpoint's classifier.
    `config.backbone_config` puts the decoder on another encoder, `self.backbone`.
    """

    config_class = SapaBtsConfig
    base_model_prefix = "resnet"
    _no_split_modules = ["EncoderStage", "UpsamplingStage"]

    def __init__(self, config: SapaBtsConfig):
        super().__init__(config)
        channels = None
        if config.backbone_config is None:
            self.resnet = ResNetModel(config)
            self._keep_stem()
        else:
            channels = self.take_encoder(config.backbone_config)
        self.decoder = SapaBtsDecoder(config, channels)
        self.post_init()

    def _keep_stem(self) -> None:
        """Move the encoder's pooling from its stem to its first stage: so the stem's output is seen."""
        embedder, stages = self.resnet.embedder, self.resnet.encoder.stages
        for index, stage in enumerate(stages):
            layers = stage.get_submodule("layers").children()
            stages[index] = EncoderStage(layers, embedder.pooler if index == 0 else None)
        embedder.register_module("pooler", nn.Identity())

    def init_convolution(self, convolution: nn.Conv2d) -> None:
        """Draw the decoder's weights as BTS does; the encoder starts as ResNet does."""
        nn.init.xavier_uniform_(convolution.weight)

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
            pixel_values: (B, 3, H, W), any size, normalised as the encoder was trained: ResNet with
                ImageNet's mean and deviation. Training on a single image needs more than 32 x 32: batch
                normalisation needs more than one value.
            labels: (B, H, W) floating point metres; pixels that are 0 or not finite have no measurement.
            output_hidden_states: Return the encoder's stem and four stages, of the image padded to multiples
                of 32; indices return only those.
            output_attentions: There are none; None is returned.
            return_dict: Return a `DepthEstimatorOutput` rather than a tuple.

        Returns:
            Depth (B, H, W) in metres and, with labels, the loss (0, with a graph, where nothing is measured).

        Raises:
            TypeError: Labels are integers.
            ValueError: Labels are not as large as the images.
        """
        height, width = pixel_values.shape[-2:]
        stages = self._encode(pad_to_multiple(pixel_values))
        depth = self.decoder(stages)[:, 0, :height, :width]  # (B, H, W)
        loss = None if labels is None else depth_loss(depth, labels, self.config)
        output = DepthEstimatorOutput(loss=loss, predicted_depth=depth)  # type: ignore[arg-type]  # written for FloatTensor
        return self.finish(output, stages, output_hidden_states, return_dict)

    def _encode(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run the encoder on images of multiples of 32: five maps, at 1/2 to 1/32."""
        if self.config.backbone_config is None:
            return self.resnet(pixel_values, output_hidden_states=True, return_dict=True).hidden_states
        maps, _ = self.encode(pixel_values)
        sizes = [tuple(stage.shape[2:]) for stage in maps]
        wanted = [tuple(side >> level for side in pixel_values.shape[2:]) for level in range(1, MAPS + 1)]
        if not torch.compiler.is_compiling() and sizes != wanted:
            raise ValueError(
                f"backbone_config must give BTS maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image, {wanted}; "
                f"got {sizes} from {self.config.backbone_config.model_type}."
            )
        return maps


__all__ = ["SapaBtsForDepthEstimation"]
