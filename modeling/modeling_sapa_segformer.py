"""SegFormer for semantic segmentation with a choice of upsampler."""

import torch
import torch.nn.functional as F
from transformers import SegformerModel
from transformers.modeling_outputs import SemanticSegmenterOutput
from transformers.models.segformer.modeling_segformer import SegformerStage

from .configuration_sapa_segformer import SapaSegformerConfig
from .pretrained import UpsamplingPreTrainedModel
from .segformer_head import SapaSegformerDecodeHead


class StageOutputs:
    """Where an encoder's stages leave their outputs; a list would be copied by offloading and sharding."""

    def __init__(self):
        self.maps: list[torch.Tensor] = []


class RecordedStage(SegformerStage):
    """A stage of transformers' SegFormer that leaves its output where it is told.

    transformers' own recording takes a lock, which torch.compile(fullgraph=True) cannot trace, and stops when
    sharding changes the encoder's class.
    """

    def forward(
        self, hidden_states: torch.Tensor, stage_outputs: StageOutputs | None = None, **kwargs
    ) -> torch.Tensor:
        """Map (B, Cin, H, W) to (B, Cout, H / stride, W / stride)."""
        hidden_states = super().forward(hidden_states, **kwargs)
        if stage_outputs is not None:
            stage_outputs.maps.append(hidden_states)
        return hidden_states


class SapaSegformerForSemanticSegmentation(UpsamplingPreTrainedModel):
    """transformers' SegFormer encoder and a decode head whose upsampler is chosen by `config.upsampler`.

    With "bilinear" the logits equal those of transformers' `SegformerForSemanticSegmentation` bit for bit.
    Any upsampler starts from such a checkpoint, or from an ImageNet-pretrained SegFormer encoder:
    `from_pretrained(checkpoint, upsampler="sapa-g", id2label=..., label2id=...)` leaves new just the
    parameters that the checkpoint does not have, and says which.
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
        self.segformer = SegformerModel(config)
        for stage in self.segformer.stages:
            stage.__class__ = RecordedStage  # same parameters, same arithmetic
        self.decode_head = SapaSegformerDecodeHead(config)
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> SemanticSegmenterOutput | tuple:
        """Classify every pixel at a quarter of the image's resolution.

        Args:
            pixel_values: (B, 3, H, W), normalised as SegformerImageProcessor does; any size of at least 32.
            labels: (B, h, w) integers, usually at the image's size: classes 0 to num_labels - 1, or
                `config.semantic_loss_ignore_index` where nothing is to be learnt.
            output_hidden_states: Return the four encoder stages.
            output_attentions: Return the encoder's attentions.
            return_dict: Return a `SemanticSegmenterOutput` rather than a tuple.

        Returns:
            Logits (B, num_labels, H/4, W/4) and, with labels, the mean cross-entropy over the labelled pixels
            (0, with a graph, where there is none).

        Raises:
            ValueError: A label is neither a class nor the ignored value, or labels are no (B, h, w) batch.
        """
        if labels is not None:
            self._check_labels(labels, len(pixel_values))
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        attended = self.config.output_attentions if output_attentions is None else output_attentions
        stages, attentions = self._encode(pixel_values, attended)
        logits = self.decode_head(stages)
        output = SemanticSegmenterOutput(
            loss=None if labels is None else self._loss(logits, labels),
            logits=logits,
            hidden_states=stages if wanted else None,
            attentions=attentions,
        )
        as_dict = self.config.return_dict if return_dict is None else return_dict
        return output if as_dict else output.to_tuple()

    def _encode(self, pixel_values: torch.Tensor, attended: bool) -> tuple[tuple, tuple | None]:
        """Run the encoder: its stages, finest first, and its attentions where they are wanted."""
        outputs = StageOutputs()
        attentions = self.segformer(
            pixel_values, output_attentions=attended, stage_outputs=outputs
        ).attentions
        return tuple(outputs.maps), attentions

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = F.interpolate(logits.float(), size=labels.shape[-2:], mode="bilinear", align_corners=False)
        ignored = self.config.semantic_loss_ignore_index
        total = F.cross_entropy(logits, labels.long(), ignore_index=ignored, reduction="sum")
        return total / (labels != ignored).sum().clamp(min=1)

    def _check_labels(self, labels: torch.Tensor, batch: int) -> None:
        if labels.dim() != 3 or labels.shape[0] != batch or labels.is_floating_point():
            raise ValueError(
                f"labels must be integers (B, h, w) with B = {batch}, but a {labels.dtype} tensor of shape "
                f"{tuple(labels.shape)} came."
            )
        if torch.compiler.is_compiling():
            return  # values are unknown while tracing; the training collator checks them before
        count, ignored = self.config.num_labels, self.config.semantic_loss_ignore_index
        if count < 2:
            raise ValueError(
                f"num_labels={count} leaves nothing to tell apart, so there is no loss: give the background "
                "a class of its own, num_labels=2."
            )
        wrong = labels[(labels != ignored) & ((labels < 0) | (labels >= count))].unique()
        if wrong.numel():
            raise ValueError(
                f"labels must be 0 to {count - 1}, or {ignored} where ignored; {wrong[:10].tolist()} came. "
                "Set num_labels and semantic_loss_ignore_index to the data set's, or map the labels; "
                "ADE20K's raw annotations (0 = other) need do_reduce_labels=True."
            )


__all__ = ["SapaSegformerForSemanticSegmentation"]
