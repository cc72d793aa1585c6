"""A2U matting with a choice of upsampler."""

from collections.abc import Collection, Sequence

import torch
from torch import nn
from transformers.models.vitmatte.modeling_vitmatte import ImageMattingOutput

from .configuration_sapa_a2u_matting import SapaA2uMattingConfig
from .matting_decoder import MattingDecoder
from .matting_encoder import MattingEncoder
from .matting_loss import matting_loss, unknown_pixels
from .padding import reflect_to_multiple
from .pretrained import UpsamplingPreTrainedModel
from .upsampler_config import config_options

MULTIPLE = 16  # the encoder halves the resolution four times


class SapaA2uMattingForImageMatting(UpsamplingPreTrainedModel):
    """The paper's matting model: A2U's network, whose upsampler is chosen by `config.upsampler`.

    ImageNet weights of ResNet-34 start the encoder:
    `from_pretrained("timm/resnet34.tv_in1k", key_mapping=resnet34_names())`.
    """

    config_class = SapaA2uMattingConfig
    base_model_prefix = "encoder"

    def __init__(self, config: SapaA2uMattingConfig):
        super().__init__(config)
        sizes, options = config.hidden_sizes, config_options(config)
        self.encoder = MattingEncoder(sizes, config.depths)
        self.decode_head = MattingDecoder(
            config.num_channels, sizes, config.dropout, config.upsampler, **options
        )
        self.post_init()

    def init_convolution(self, convolution: nn.Conv2d) -> None:
        """Draw the weights as the release does; the last convolution starts as a mean of its window.

        That one has a single channel, which a leaky ReLU has left above 0: where drawn weights sum up to less
        than 0, no alpha can rise, and a training may never leave a matte of zeros.
        """
        if convolution.in_channels == 1:
            nn.init.constant_(convolution.weight, 1 / convolution.weight.numel())
        else:
            nn.init.kaiming_normal_(convolution.weight, a=0.01, mode="fan_out", nonlinearity="leaky_relu")

    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | Collection[int] | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> ImageMattingOutput | tuple:
        """Estimate how much of every pixel is foreground.

        Args:
            pixel_values: (B, 4, H, W), any size: a photo normalised by ImageNet's mean and deviation, and its
                trimap: 0 background, 1 foreground, anything between unknown. Training needs two images at
                least: batch normalisation of the pooled map needs more than one value.
            labels: (B, H, W) true alpha from 0 to 1, or with colours; see `matting_loss`.
            output_hidden_states: Return the encoder's stem and three stages, of the image padded to multiples
                of 16; indices return only those.
            output_attentions: There are none; None is returned.
            return_dict: Return an `ImageMattingOutput` rather than a tuple.

        Returns:
            Alphas (B, 1, H, W) from 0 to 1, those of known pixels as the trimap has them, and with labels the
            loss (0, with a graph, where no unknown pixel has a label). The loss looks at what was predicted
            before it is clipped.

        Raises:
            TypeError: Labels are integers.
            ValueError: The images have another number of channels, or the labels another size.
        """
        height, width = pixel_values.shape[-2:]
        padded = reflect_to_multiple(pixel_values, MULTIPLE)
        if pixel_values.shape[1] != self.config.num_channels:
            raise ValueError(
                "pixel_values must have 4 channels, a photo's three and its trimap, got "
                f"{pixel_values.shape[1]}."
            )
        maps = self.encoder(padded)
        alphas = self.decode_head(padded, maps)[:, :, :height, :width]
        trimap = pixel_values[:, 3:]
        loss = (
            None if labels is None else matting_loss(alphas, trimap, labels, self.config.composition_weight)
        )
        known = trimap.clamp(0, 1).to(alphas.dtype)
        alphas = torch.where(unknown_pixels(trimap), alphas.clamp(0, 1), known)
        output = ImageMattingOutput(loss=loss, alphas=alphas)  # type: ignore[arg-type]  # written for FloatTensor
        return self.finish(output, maps.stages, output_hidden_states, return_dict)


def resnet34_names(depths: Sequence[int] = (3, 4, 4)) -> dict[str, str]:
    """Map the names of torchvision's and timm's ResNet-34 to the encoder's.

    Args:
        depths: Blocks in each of the encoder's stages.

    Returns:
        Patterns and what replaces them, for `from_pretrained(..., key_mapping=...)`.
    """
    names = {r"^(conv1|bn1|layer1)\.": r"encoder.\1."}
    for stage in (2, 3):
        names[rf"^layer{stage}\.0\."] = f"encoder.pooling{stage}."
        for block in range(1, depths[stage - 1]):
            names[rf"^layer{stage}\.{block}\."] = f"encoder.layer{stage}.{block - 1}."
    return names


__all__ = ["SapaA2uMattingForImageMatting", "resnet34_names"]
