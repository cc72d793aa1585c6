"""Where each of the papers' models upsamples, and the models that can be built here."""

from collections.abc import Callable
from dataclasses import dataclass

from transformers import PreTrainedModel

from sapa_hf.modeling import (
    SapaA2uMattingConfig,
    SapaA2uMattingForImageMatting,
    SapaBtsConfig,
    SapaBtsForDepthEstimation,
    SapaMask2FormerConfig,
    SapaMask2FormerForUniversalSegmentation,
    SapaMaskFormerConfig,
    SapaMaskFormerForUniversalSegmentation,
    SapaSegformerConfig,
    SapaSegformerForSemanticSegmentation,
)


@dataclass(frozen=True)
class Site:
    """One step to twice the size: channels of guide and feature, and the feature's height and width."""

    guide_channels: int
    feature_channels: int
    height: int
    width: int

    @property
    def guide(self) -> tuple[int, int, int]:
        """(Cg, H', W')."""
        return self.guide_channels, 2 * self.height, 2 * self.width

    @property
    def feature(self) -> tuple[int, int, int]:
        """(Cf, H, W)."""
        return self.feature_channels, self.height, self.width

    @property
    def positions(self) -> int:
        """Low-resolution positions, H * W."""
        return self.height * self.width


@dataclass(frozen=True)
class Host:
    """A model of the paper's tables.

    Attributes:
        title: As the paper names it.
        size: Height and width of the input that FLOPs are counted at.
        sites: Its upsampling steps.
        baseline: The upsampler that the other rows are added to.
        build: Makes the model with an upsampler and d; None where only its sites count.
        remark: What the rows do not say.
    """

    title: str
    size: tuple[int, int]
    sites: tuple[Site, ...]
    baseline: str
    build: Callable[[str, int], PreTrainedModel] | None = None
    remark: str = ""


def squares(channels: int, *sizes: int) -> tuple[Site, ...]:
    """Make steps between square maps of equal channels."""
    return tuple(Site(channels, channels, size, size) for size in sizes)


def _segformer_b1(upsampler: str, embedding_dim: int) -> PreTrainedModel:
    config = SapaSegformerConfig(
        depths=[2, 2, 2, 2],
        hidden_sizes=[64, 128, 320, 512],
        decoder_hidden_size=256,
        num_labels=150,
        upsampler=upsampler,
        upsampler_embedding_dim=embedding_dim,
    )
    return SapaSegformerForSemanticSegmentation(config)


def _bts_r50(upsampler: str, embedding_dim: int) -> PreTrainedModel:
    config = SapaBtsConfig(upsampler=upsampler, upsampler_embedding_dim=embedding_dim)
    return SapaBtsForDepthEstimation(config)


def _a2u_matting(upsampler: str, embedding_dim: int) -> PreTrainedModel:
    config = SapaA2uMattingConfig(upsampler=upsampler, upsampler_embedding_dim=embedding_dim)
    return SapaA2uMattingForImageMatting(config)


SWIN_B = {
    "model_type": "swin",
    "embed_dim": 128,
    "depths": [2, 2, 18, 2],
    "num_heads": [4, 8, 16, 32],
    "window_size": 12,
    "image_size": 384,
}


def _maskformer_swin_b(upsampler: str, embedding_dim: int) -> PreTrainedModel:
    config = SapaMaskFormerConfig(
        backbone_config=SWIN_B, num_labels=150, upsampler=upsampler, upsampler_embedding_dim=embedding_dim
    )
    return SapaMaskFormerForUniversalSegmentation(config)


def _mask2former_swin_b(upsampler: str, embedding_dim: int) -> PreTrainedModel:
    config = SapaMask2FormerConfig(
        backbone_config=SWIN_B, num_labels=150, upsampler=upsampler, upsampler_embedding_dim=embedding_dim
    )
    return SapaMask2FormerForUniversalSegmentation(config)


FPN = (Site(256, 256, 25, 42), Site(256, 256, 50, 84), Site(256, 256, 100, 168))
FPN_CARAFE = tuple(Site(256, 256, 13 * step, 21 * step) for step in (1, 2, 4, 8))

HOSTS = {
    "segformer-b1": Host(
        "SegFormer-B1",
        (512, 512),
        squares(256, 16, 32, 64, 32, 64, 64),
        "bilinear",
        _segformer_b1,
        "Six upsamplers: three from 1/32, two from 1/16, one from 1/8. The IndexNet that was trained is, by "
        "its published log, another variant than its row counts: 16C², 6.29 M and 15.3 G.",
    ),
    "maskformer": Host(
        "MaskFormer Swin-B",
        (640, 640),
        squares(256, 20, 40, 80),
        "nearest",
        _maskformer_swin_b,
        "Three steps of an FPN.",
    ),
    "mask2former": Host(
        "Mask2Former Swin-B",
        (640, 640),
        squares(256, 80),
        "bilinear",
        _mask2former_swin_b,
        "One step, from 1/8 to 1/4.",
    ),
    "faster-rcnn": Host("Faster R-CNN R50", (800, 1344), FPN, "nearest", remark="Three steps of the FPN."),
    "bts": Host(
        "BTS R50",
        (480, 640),
        (
            Site(1024, 2048, 15, 20),
            Site(512, 512, 30, 40),
            Site(256, 128, 60, 80),
            Site(64, 128, 120, 160),
        ),
        "nearest",
        _bts_r50,
        "The steps to 1/16, 1/8, 1/4 and 1/2. SAPA-I has no row: guide and feature differ in channels. "
        "SAPA-G's has the second query projection, which the paper's other tables leave out.",
    ),
    "matting": Host(
        "A2U matting R34",
        (512, 512),
        (*squares(256, 32), *squares(128, 64), *squares(64, 128, 256)),
        "bilinear",
        _a2u_matting,
        "Four steps, from 1/16 to 1/1.",
    ),
    "faster-rcnn-carafe": Host(
        "Faster R-CNN R50 with CARAFE's FPN",
        (832, 1344),
        FPN_CARAFE,
        "nearest",
        remark="This FPN has a level more, so four steps, and its base is not Table 3's.",
    ),
    "panoptic-fpn": Host("Panoptic FPN R50", (800, 1344), FPN, "nearest", remark="Three steps of the FPN."),
}
