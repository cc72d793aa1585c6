"""The loss of semantic segmentation, and what its labels must be."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def segmentation_loss(
    logits: torch.Tensor, labels: torch.Tensor, ignored: int, class_weights: Sequence[float] | None = None
) -> torch.Tensor:
    """Average the cross-entropy over the labelled pixels.

    Args:
        logits: (B, N, h, w), resized bilinearly to the size of the labels where it differs.
        labels: (B, H, W) integers.
        ignored: Label of the pixels that count nothing.
        class_weights: What a pixel of each class counts; None counts all alike.

    Returns:
        A scalar; 0, with a graph, where no pixel is labelled.
    """
    logits, targets = logits.float(), labels.long()
    if logits.shape[-2:] != labels.shape[-2:]:
        if logits.device.type == "cpu":  # small as they are, it costs nothing: see below
            logits = logits.contiguous(memory_format=torch.channels_last)
        logits = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    if logits.is_contiguous(memory_format=torch.channels_last):
        # A row of classes for each pixel; of maps, cross_entropy would first make a channels-first copy.
        logits, targets = logits.permute(0, 2, 3, 1).flatten(0, 2), targets.flatten()
    weights = None if class_weights is None else logits.new_tensor(class_weights)
    total = F.cross_entropy(logits, targets, weights, ignore_index=ignored, reduction="sum")
    counted = labelled_weight(labels, ignored, class_weights)
    return total / (counted + (counted == 0))


def labelled_weight(
    labels: torch.Tensor, ignored: int, class_weights: Sequence[float] | None = None
) -> torch.Tensor:
    """Sum what the labelled pixels count: the divisor of `segmentation_loss`, a scalar."""
    labelled = labels != ignored
    if class_weights is None:
        return labelled.sum()
    weights = torch.tensor(class_weights, device=labels.device)  # (N,)
    return (weights[labels.long().where(labelled, 0)] * labelled).sum()


def check_segmentation_labels(labels: torch.Tensor, batch: int, num_labels: int | None, ignored: int) -> None:
    """Refuse labels that have another shape, or values that are neither a class nor ignored.

    Values are looked at on the CPU alone: a GPU would have to be waited for, and the training collator has
    checked them before.

    Args:
        labels: (B, h, w) integers.
        batch: How many images there are.
        num_labels: How many classes there are.
        ignored: Label of the pixels that count nothing.

    Raises:
        ValueError: The labels do not fit.
    """
    if labels.dim() != 3 or labels.shape[0] != batch or labels.is_floating_point():
        raise ValueError(
            f"labels must be integers (B, h, w) with B = {batch}, got a {labels.dtype} tensor of shape "
            f"{tuple(labels.shape)}."
        )
    if num_labels is None or num_labels < 2:
        raise ValueError(
            f"num_labels must be at least 2 where labels are given, got {num_labels}: give the background a "
            "class of its own."
        )
    if torch.compiler.is_compiling() or labels.device.type != "cpu":
        return
    wrong = labels[(labels != ignored) & ((labels < 0) | (labels >= num_labels))].unique()
    if wrong.numel():
        raise ValueError(
            f"labels must be 0 to {num_labels - 1}, or {ignored} where ignored; got {wrong[:10].tolist()}. "
            "Set num_labels and the ignored value to the data set's, or map the labels; ADE20K's raw "
            "annotations (0 = other) need do_reduce_labels=True."
        )
