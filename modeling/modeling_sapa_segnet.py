"""SegNet for semantic segmentation with a choice of upsampler."""

from collections.abc import Collection, Sequence

import torch
from torch import nn
from transformers.modeling_outputs import SemanticSegmenterOutput

from .configuration_sapa_segnet import SapaSegNetConfig
from .padding import pad_to_smallest
from .pretrained import UpsamplingPreTrainedModel
from .segmentation_loss import check_segmentation_labels, segmentation_loss
from .segnet_blocks import SegNetDecoder, SegNetEncoder
from .upsampler_config import config_options


class SapaSegNetForSemanticSegmentation(UpsamplingPreTrainedModel):
    """SegNet (2015), whose upsampler is chosen by `config.upsampler`: the model of SAPA's Figure 2.

    "max_unpool" is SegNet as published. Its encoder is VGG-16 with batch normalisation; ImageNet weights
    load with `from_pretrained("timm/vgg16_bn.tv_in1k", key_mapping=vgg_names())`.
    """

    config_class = SapaSegNetConfig
    base_model_prefix = "encoder"

    def __init__(self, config: SapaSegNetConfig):
        super().__init__(config)
        sizes, depths = config.hidden_sizes, config.depths
        self.encoder = SegNetEncoder(config.num_channels, sizes, depths)
        classes: int = config.num_labels  # type: ignore[assignment]  # None only before the config is made
        options = config_options(config)
        self.decode_head = SegNetDecoder(sizes, depths, classes, config.upsampler, **options)
        self.post_init()

    def init_convolution(self, convolution: nn.Conv2d) -> None:
        """Draw the weights for the ReLU that follows (He et al.), as SegNet does."""
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")

    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | Collection[int] | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> SemanticSegmenterOutput | tuple:
        """Classify every pixel.

        Args:
            pixel_values: (B, C, H, W), normalised as the encoder was trained; any size.
            labels: (B, h, w) integers, usually at the image's size: classes 0 to num_labels - 1, or
                `config.loss_ignore_index` where nothing is to be learnt.
            output_hidden_states: Return the maps of the encoder's blocks; indices return only those.
            output_attentions: Taken as all models take it; there are no attentions.
            return_dict: Return a `SemanticSegmenterOutput` rather than a tuple.

        Returns:
            Logits (B, num_labels, H, W), and with labels the mean cross-entropy over the labelled pixels,
            weighted by `config.class_weights` (0, with a graph, where there is none).

        Raises:
            ValueError: A label is neither a class nor the ignored value, or the labels are not (B, h, w).
        """
        ignored, weights = self.config.loss_ignore_index, self.config.class_weights
        if labels is not None:
            check_segmentation_labels(labels, len(pixel_values), self.config.num_labels, ignored)
        height, width = pixel_values.shape[-2:]
        hidden, maps, indices = self.encoder(pad_to_smallest(pixel_values))
        logits = self.decode_head(hidden, maps, indices)[:, :, :height, :width]
        loss = None if labels is None else segmentation_loss(logits, labels, ignored, weights)
        output = SemanticSegmenterOutput(loss=loss, logits=logits)  # type: ignore[arg-type]  # written for FloatTensor
        return self.finish(output, tuple(maps), output_hidden_states, return_dict)


def vgg_names(depths: Sequence[int] = (2, 2, 3, 3, 3)) -> dict[str, str]:
    """Map the names of torchvision's and timm's VGG with batch normalisation to the encoder's.

    Args:
        depths: Convolutions in each block; those of VGG-16 by default.

    Returns:
        Patterns and what replaces them, for `from_pretrained(..., key_mapping=...)`.
    """
    names, position = {}, 0
    for block, depth in enumerate(depths):
        for layer in range(depth):
            for offset, part in enumerate(("conv", "norm")):
                names[rf"^features\.{position + offset}\."] = f"encoder.blocks.{block}.{layer}.{part}."
            position += 3  # convolution, normalisation, ReLU
        position += 1  # the pooling
    return names


__all__ = ["SapaSegNetForSemanticSegmentation", "vgg_names"]
