"""UperNet for semantic segmentation with a choice of encoder and upsampler."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from transformers.modeling_outputs import SemanticSegmenterOutput
from transformers.models.upernet.modeling_upernet import UperNetFCNHead

from .configuration_sapa_upernet import SapaUperNetConfig
from .encoder import EncoderPreTrainedModel
from .padding import pad_to_smallest
from .segmentation_loss import check_segmentation_labels, segmentation_loss
from .upernet_head import SapaUperNetHead


class SapaUperNetForSemanticSegmentation(EncoderPreTrainedModel):
    """transformers' UperNet on any encoder, whose upsampler is chosen by `config.upsampler`.

    With "bilinear" the logits equal those of transformers' `UperNetForSemanticSegmentation` bit for bit. Any
    upsampler starts from such a checkpoint, with nothing new but `decode_head.upsamplers`. An encoder's
    checkpoint fits too: timm's EfficientNet-Lite as it is, others with a mapping of their names, such as
    `from_pretrained("microsoft/resnet-50", key_mapping={"^resnet.": "backbone."})`.
    """

    config_class = SapaUperNetConfig
    base_model_prefix = "backbone"

    def __init__(self, config: SapaUperNetConfig):
        super().__init__(config)
        channels = self.take_encoder(config.backbone_config)
        self.decode_head = SapaUperNetHead(config, channels)
        self.auxiliary_head = UperNetFCNHead(config, channels) if config.use_auxiliary_head else None
        self.post_init()

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
            pixel_values: (B, 3, H, W), normalised as the encoder was trained; any size.
                Training needs at least two images: batch normalisation of the pooled map needs more than one
                value.
            labels: (B, h, w) integers, usually at the image's size: classes 0 to num_labels - 1, or
                `config.loss_ignore_index` where nothing is to be learnt.
            output_hidden_states: Return the encoder's hidden states; indices return only those.
            output_attentions: Return the encoder's attentions, where it has some.
            return_dict: Return a `SemanticSegmenterOutput` rather than a tuple.

        Returns:
            Logits (B, num_labels, H, W), at the image's size, and with labels the mean cross-entropy over the
            labelled pixels (0, with a graph, where there is none), the auxiliary head's share included.

        Raises:
            ValueError: A label is neither a class nor the ignored value, or the labels are not (B, h, w).
        """
        if labels is not None:
            ignored = self.config.loss_ignore_index
            check_segmentation_labels(labels, len(pixel_values), self.config.num_labels, ignored)
        height, width = pixel_values.shape[-2:]
        pixel_values = pad_to_smallest(pixel_values)
        maps, encoded = self.encode(
            pixel_values,
            output_hidden_states=self.wants_hidden_states(output_hidden_states),
            output_attentions=self.wants_attentions(output_attentions),
        )
        logits = self.decode_head(maps)  # (B, num_labels, H/4, W/4)
        logits = F.interpolate(logits, size=pixel_values.shape[2:], mode="bilinear", align_corners=False)
        logits = logits[:, :, :height, :width]
        loss = None if labels is None else self._loss(logits, maps, labels)
        output = SemanticSegmenterOutput(loss=loss, logits=logits, attentions=encoded.attentions)  # type: ignore[arg-type]  # written for FloatTensor
        return self.finish(output, encoded.hidden_states, output_hidden_states, return_dict)

    def _loss(
        self, logits: torch.Tensor, maps: tuple[torch.Tensor, ...], labels: torch.Tensor
    ) -> torch.Tensor:
        ignored = self.config.loss_ignore_index
        loss = segmentation_loss(logits, labels, ignored)
        if self.auxiliary_head is None:
            return loss
        auxiliary = segmentation_loss(self.auxiliary_head(maps), labels, ignored)
        return loss + self.config.auxiliary_loss_weight * auxiliary


__all__ = ["SapaUperNetForSemanticSegmentation"]
