"""The networks of segmentation, by the name a recipe uses; the first is the default."""

from collections.abc import Sequence

import torch

from sapa_hf import (
    SapaMask2FormerForUniversalSegmentation,
    SapaMaskFormerForUniversalSegmentation,
    SapaSegformerForSemanticSegmentation,
    SapaSegNetForSemanticSegmentation,
    SapaUperNetForSemanticSegmentation,
)
from sapa_hf.modeling import vgg_names

from ..architecture import Architecture

TAGS = ("semantic-segmentation", "feature-upsampling", "sapa", "vision")
IN_MASKFORMER = "model.pixel_level_module.encoder."  # where the two keep their encoder
BESIDE_ENCODER = (
    "model.pixel_level_module.decoder.",
    "model.transformer_module.",
    "class_predictor.",
    "mask_embedder.",  # MaskFormer's
    "criterion.",
    f"{IN_MASKFORMER}hidden_states_norms.",  # of Swin as a backbone; an ImageNet checkpoint has none
)


def image_count(
    labels: torch.Tensor, ignored: int, class_weights: Sequence[float] | None = None
) -> torch.Tensor:
    """Count the images: a loss over matched masks is divided by their number over all ranks already."""
    return torch.tensor(len(labels))


NETWORKS = {
    "segformer": Architecture(
        SapaSegformerForSemanticSegmentation,
        head=("decode_head.",),
        classifier=("decode_head.classifier",),
        card="segformer.md",
        tags=("segformer", *TAGS),
    ),
    "maskformer": Architecture(
        SapaMaskFormerForUniversalSegmentation,
        head=BESIDE_ENCODER,
        classifier=("class_predictor.", "criterion.empty_weight"),
        counts=image_count,
        card="maskformer.md",
        tags=("maskformer", *TAGS),
        encoder=IN_MASKFORMER,
        key_mapping={"^swin.": f"{IN_MASKFORMER}model."},
    ),
    "mask2former": Architecture(
        SapaMask2FormerForUniversalSegmentation,
        head=BESIDE_ENCODER,
        classifier=("class_predictor.", "criterion.empty_weight"),
        counts=image_count,
        card="mask2former.md",
        tags=("mask2former", *TAGS),
        encoder=IN_MASKFORMER,
        key_mapping={"^swin.": f"{IN_MASKFORMER}swin."},
    ),
    "segnet": Architecture(
        SapaSegNetForSemanticSegmentation,
        head=("decode_head.",),
        classifier=("decode_head.classifier",),
        card="segnet.md",
        tags=("segnet", *TAGS),
        key_mapping=vgg_names(),
    ),
    "upernet": Architecture(
        SapaUperNetForSemanticSegmentation,
        head=("decode_head.", "auxiliary_head."),
        classifier=("decode_head.classifier", "auxiliary_head.classifier"),
        card="upernet.md",
        tags=("upernet", *TAGS),
        key_mapping={"^resnet.": "backbone."},
    ),
}
