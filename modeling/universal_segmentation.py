"""What MaskFormer and Mask2Former share: masks from labels, semantic scores, one forward for both."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.utils import ModelOutput

from .padding import pad_to_smallest
from .pretrained import UpsamplingPreTrainedModel
from .segmentation_loss import check_segmentation_labels

STRIDE = 4  # of the masks, in the image's pixels
PREDICTIONS = ("masks_queries_logits", "class_queries_logits")  # of one decoder layer


@dataclass
class UniversalSegmentationOutput(ModelOutput):
    """transformers' output of the two models, and the semantic scores.

    Attributes:
        loss: A scalar, where labels were given.
        logits: (B, N, H/4, W/4), the semantic scores: for each class the queries' masks, summed by their
            class probabilities.
        class_queries_logits: (B, queries, N + 1); the last class is "no object".
        masks_queries_logits: (B, queries, H/4, W/4).
        auxiliary_logits: The two above after each decoder layer but the last.
        encoder_last_hidden_state: As in transformers, like the rest.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    class_queries_logits: torch.Tensor | None = None
    masks_queries_logits: torch.Tensor | None = None
    auxiliary_logits: list[dict[str, torch.Tensor]] | None = None
    encoder_last_hidden_state: torch.Tensor | None = None
    pixel_decoder_last_hidden_state: torch.Tensor | None = None
    transformer_decoder_last_hidden_state: torch.Tensor | None = None
    encoder_hidden_states: tuple[torch.Tensor, ...] | None = None
    pixel_decoder_hidden_states: tuple[torch.Tensor, ...] | None = None
    transformer_decoder_hidden_states: tuple[torch.Tensor, ...] | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


class QueryModel(UpsamplingPreTrainedModel):
    """Mixin, before transformers' encoder and decoders: new queries start as the authors draw them.

    transformers draws them with a deviation of 0.02. Then they hardly differ, and in a short training dropout
    alone tells them apart: without it all of them propose one mask.
    """

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Embedding):  # of the queries, and of Mask2Former's levels
            nn.init.normal_(module.weight)


class UniversalSegmentationModel(UpsamplingPreTrainedModel):
    """Mixin, before a universal segmenter of transformers: takes a map of labels, gives a map of scores."""

    model: Any  # these three are transformers'
    get_loss: Any
    get_loss_dict: Any

    @property
    def backbone(self) -> Any:
        """The encoder, as models with a choice of encoder call it."""
        return self.model.pixel_level_module.encoder

    def _set_gradient_checkpointing(self, *args, **kwargs) -> None:
        """Checkpoint the encoder alone: by transformers' word, the decoders do not support it."""
        self.backbone._set_gradient_checkpointing(*args, **kwargs)

    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        mask_labels: list[torch.Tensor] | None = None,
        class_labels: list[torch.Tensor] | None = None,
        pixel_mask: torch.Tensor | None = None,
        output_auxiliary_logits: bool | None = None,
        output_hidden_states: bool | Collection[int] | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> UniversalSegmentationOutput | tuple:
        """Segment images.

        Args:
            pixel_values: (B, 3, H, W), normalised as the encoder was trained; any size.
            labels: (B, h, w) integers: classes 0 to num_labels - 1, or the ignored value. Each class that an
                image shows becomes a mask. As in transformers, ignored pixels belong to no mask.
            mask_labels: In place of `labels`, masks (n_i, h, w) of each image, 0 or 1.
            class_labels: With `mask_labels`, their classes (n_i,).
            pixel_mask: Taken as transformers takes it, and not used there either.
            output_auxiliary_logits: Return the predictions of the other decoder layers.
            output_hidden_states: Return the states of encoder and decoders; indices return only those.
            output_attentions: Return the decoder's attentions.
            return_dict: Return a `UniversalSegmentationOutput` rather than a tuple.

        Raises:
            ValueError: The labels do not fit or are given in both forms, or the weights are not float32.
        """
        config: Any = self.config
        if labels is not None:
            self._check_labels(labels, len(pixel_values), mask_labels is not None or class_labels is not None)
            mask_labels, class_labels = masks_of(labels, config.loss_ignore_index)
        if mask_labels is not None and self.dtype != torch.float32:
            raise ValueError(
                f"The weights must be float32 where labels are given, got {self.dtype}: masks are matched in "
                "it. Train in mixed precision, which keeps the weights so."
            )
        with_states = self.wants_hidden_states(output_hidden_states)
        found, (*others, last) = self._run(
            pixel_values, with_states, self.wants_attentions(output_attentions)
        )
        masks, classes = last["masks_queries_logits"], last["class_queries_logits"]
        loss = None
        if mask_labels is not None and class_labels is not None:
            loss = self.get_loss(self.get_loss_dict(masks, classes, mask_labels, class_labels, others))
        if output_auxiliary_logits is None:
            output_auxiliary_logits = config.output_auxiliary_logits
        stages = found.pop("hidden_states", found.get("encoder_hidden_states"))
        output = UniversalSegmentationOutput(
            loss=loss,
            logits=semantic_scores(classes, masks),
            auxiliary_logits=others if output_auxiliary_logits else None,
            **{name: part for name, part in (found | last).items() if with_states or "_states" not in name},
        )
        return self.finish(output, stages, output_hidden_states, return_dict)

    def _run(
        self, pixel_values: torch.Tensor, with_states: bool, with_attentions: bool
    ) -> tuple[dict[str, Any], list[dict[str, torch.Tensor]]]:
        """Run transformers' forward: all that it gives, and each layer's predictions, cut to the images."""
        found = super().forward(
            pad_to_smallest(pixel_values),
            output_auxiliary_logits=True,
            output_hidden_states=with_states
            or self.config.use_auxiliary_loss,  # MaskFormer reads them for it
            output_attentions=with_attentions,
            return_dict=True,
        )
        found = dict(found)
        layers = [*found.pop("auxiliary_logits", ()), {name: found[name] for name in PREDICTIONS}]
        height, width = (-(-side // STRIDE) for side in pixel_values.shape[-2:])
        for layer in layers:
            layer["masks_queries_logits"] = layer["masks_queries_logits"][..., :height, :width]
        return found, layers

    def _check_labels(self, labels: torch.Tensor, batch: int, given: bool) -> None:
        """Refuse a map of labels that does not fit, or beside masks that are `given` too."""
        if given:
            raise ValueError("labels and mask_labels must not be given together, got both.")
        config: Any = self.config
        check_segmentation_labels(labels, batch, config.num_labels, config.loss_ignore_index)


def masks_of(labels: torch.Tensor, ignored: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Make a mask of every class that an image shows.

    Args:
        labels: (B, h, w) integers.
        ignored: Label of the pixels that belong to no mask.

    Returns:
        For each image its masks (n, h, w), 0 or 1 in float32, and their classes (n,) in int64, in order.
    """
    masks, classes = [], []
    for image in labels:
        shown = image.unique().long()
        shown = shown[shown != ignored]  # (n,)
        masks.append((image == shown[:, None, None]).float())
        classes.append(shown)
    return masks, classes


def semantic_scores(class_logits: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
    """Sum the masks of all queries by their class probabilities (MaskFormer, section 3.4).

    Args:
        class_logits: (B, queries, N + 1); the last class is "no object".
        mask_logits: (B, queries, h, w).

    Returns:
        (B, N, h, w), not negative.
    """
    probabilities = class_logits.softmax(-1)[..., :-1]  # (B, queries, N)
    return torch.einsum("bqn,bqhw->bnhw", probabilities, mask_logits.sigmoid())
