"""SegFormer for semantic segmentation with a choice of upsampler."""

from collections.abc import Collection

import torch
from transformers import SegformerModel
from transformers.modeling_outputs import SemanticSegmenterOutput
from transformers.models.segformer.modeling_segformer import SegformerStage

from .configuration_sapa_segformer import SapaSegformerConfig
from .encoder import EncoderPreTrainedModel
from .padding import MULTIPLE, pad_to_smallest
from .segformer_head import SapaSegformerDecodeHead
from .segmentation_loss import check_segmentation_labels, segmentation_loss


class StageInputs:
    """Where an encoder's stages leave what they got; a list would be copied by offloading and sharding."""

    def __init__(self):
        self.maps: list[torch.Tensor] = []


class RecordedStage(SegformerStage):
    """A stage of transformers' SegFormer that leaves its input, the stage before's output, where it is told.

    transformers' own recording takes a lock, which torch.compile(fullgraph=True) cannot trace, and stops when
    sharding changes the encoder's class. An input has also what a hook made of the output before.

    Its output is a map in the order of the embedding's weights. transformers always copies it to
    channels-first order; a convolution whose weights are channels-last would copy it back.
    """

    def forward(
        self, hidden_states: torch.Tensor, stage_inputs: StageInputs | None = None, **kwargs
    ) -> torch.Tensor:
        """Map (B, Cin, H, W) to (B, Cout, H / stride, W / stride)."""
        if stage_inputs is not None:
            stage_inputs.maps.append(hidden_states)
        tokens, height, width = self.patch_embeddings(hidden_states)
        for block in self.blocks:
            tokens = block(tokens, height, width, **kwargs)
        output = self.layer_norm(tokens).transpose(1, 2).unflatten(2, (height, width))
        weight = self.patch_embeddings.proj.weight
        return output if weight.is_contiguous(memory_format=torch.channels_last) else output.contiguous()


class SapaSegformerForSemanticSegmentation(EncoderPreTrainedModel):
    """transformers' SegFormer encoder and a decode head whose upsampler is chosen by `config.upsampler`.

    With "bilinear" the logits equal those of transformers' `SegformerForSemanticSegmentation` bit for bit.
    Any upsampler starts from such a checkpoint, or from an ImageNet-pretrained SegFormer encoder:
    `from_pretrained(checkpoint, upsampler="sapa-g", id2label=..., label2id=...)` leaves new just the
    parameters that the checkpoint does not have, and says which.

    `config.backbone_config` puts the head on another encoder, `self.backbone`. timm's EfficientNet-Lite
    starts it as it is, others with a mapping of their names:
    `from_pretrained("microsoft/resnet-50", key_mapping={"^resnet.": "backbone."})`.
    """

    config_class = SapaSegformerConfig
    base_model_prefix = "segformer"
    _no_split_modules = ["RecordedStage", "SegformerLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    def __init__(self, config: SapaSegformerConfig):
        super().__init__(config)
        if config.backbone_config is None:
            channels = config.hidden_sizes
            self.segformer = SegformerModel(config)
            for stage in self.segformer.stages:
                stage.__class__ = RecordedStage  # same parameters, same arithmetic
        else:
            channels = self.take_encoder(config.backbone_config)
        self.decode_head = SapaSegformerDecodeHead(config, channels)
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | Collection[int] | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> SemanticSegmenterOutput | tuple:
        """Classify every pixel at a quarter of the image's resolution.

        Args:
            pixel_values: (B, 3, H, W), normalised as SegformerImageProcessor does; any size. Smaller ones are
                padded to 32.
            labels: (B, h, w) integers, usually at the image's size: classes 0 to num_labels - 1, or
                `config.semantic_loss_ignore_index` where nothing is to be learnt.
            output_hidden_states: Return the four encoder stages; indices return only those.
            output_attentions: Return the encoder's attentions.
            return_dict: Return a `SemanticSegmenterOutput` rather than a tuple.

        Returns:
            Logits (B, num_labels, H/4, W/4) and, with labels, the mean cross-entropy over the labelled pixels
            (0, with a graph, where there is none).

        Raises:
            ValueError: A label is neither a class nor the ignored value, or the labels are not (B, h, w).
        """
        ignored = self.config.semantic_loss_ignore_index
        if labels is not None:
            check_segmentation_labels(labels, len(pixel_values), self.config.num_labels, ignored)
        height, width = pixel_values.shape[-2:]
        stages, attentions = self._encode(
            pad_to_smallest(pixel_values), self.wants_attentions(output_attentions)
        )
        logits = self.decode_head(stages)  # (B, num_labels, H/4, W/4)
        if height < MULTIPLE or width < MULTIPLE:
            logits = logits[:, :, : -(-height // 4), : -(-width // 4)]
        loss = None if labels is None else segmentation_loss(logits, labels, ignored)
        output = SemanticSegmenterOutput(loss=loss, logits=logits, attentions=attentions)  # type: ignore[arg-type]  # written for FloatTensor
        return self.finish(output, stages, output_hidden_states, return_dict)

    def _encode(self, pixel_values: torch.Tensor, attended: bool) -> tuple[tuple, tuple | None]:
        """Run the encoder: its stages, finest first, and its attentions where they are wanted."""
        if self.config.backbone_config is not None:
            maps, encoded = self.encode(pixel_values, output_attentions=attended)
            return maps, encoded.attentions
        inputs = StageInputs()
        outputs = self.segformer(pixel_values, output_attentions=attended, stage_inputs=inputs)
        return (*inputs.maps[1:], outputs.last_hidden_state), outputs.attentions


__all__ = ["SapaSegformerForSemanticSegmentation"]
