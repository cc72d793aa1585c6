"""Image matting with a choice of upsampler."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageMatting, PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf import SapaA2uMattingForImageMatting
from sapa_hf.data import DatasetSpec, MattingTransform, OnBad, Samples
from sapa_hf.modeling import resnet34_names
from sapa_hf.pictures import comparison_strip, over_checkerboard

from ..architecture import Architecture, Figure
from ..images import ImageTask
from ..warm_start import build_model
from .predictor import MattingPredictor
from .scores import MattingScores
from .whole_matte import WholeMatte, matting_processor

if TYPE_CHECKING:  # training is built upon tasks, not the other way round
    from sapa_hf.training.arguments import Arguments

PICTURE_HEIGHT = 256  # smaller images are enlarged, so that their captions can be read
TRANSFORM_OPTIONS = set(inspect.signature(MattingTransform).parameters) - {
    "crop_size",
    "flip",
    "photometric",
    "mean",
    "std",
}


class MattingTask(ImageTask):
    """Learn how much of every pixel is foreground; the best weights have the lowest SAD."""

    name = "image-matting"
    auto_classes = (AutoModelForImageMatting,)
    architectures = {
        "a2u": Architecture(
            SapaA2uMattingForImageMatting,
            head=("decode_head.", "encoder.trimap_conv."),
            card="a2u_matting.md",
            tags=("image-matting", "feature-upsampling", "sapa", "vision"),
            key_mapping=resnet34_names(),
        ),
    }
    keys = frozenset({"architecture", "crop_size", "crop_width", "photometric", "transform"})
    figures = (
        Figure("sad", "SAD", digits=3, lower_is_better=True),
        Figure("mse", "MSE", lower_is_better=True),
        Figure("grad", "Grad", digits=3, lower_is_better=True),
        Figure("conn", "Conn", digits=3, lower_is_better=True),
    )
    card_metrics = {
        "sad": "SAD, thousands (lower is better)",
        "mse": "MSE (lower is better)",
        "grad": "gradient error, thousands (lower is better)",
        "conn": "connectivity error, thousands (lower is better)",
    }
    predicting = {"trimaps": {"help": "folder of trimaps, each named as its photo"}}
    channels = WholeMatte.channels
    target = "alpha"

    def __init__(self, arguments: Arguments):
        super().__init__(arguments)
        self.check_keys("transform", arguments.data.transform, TRANSFORM_OPTIONS)

    @classmethod
    def inference(cls, processor: BaseImageProcessor | None, **options: Any) -> WholeMatte:
        """Make the inference on whole photos with their trimaps."""
        return WholeMatte(processor, **options)

    @classmethod
    def scores(cls, spec: DatasetSpec, **options: Any) -> MattingScores:
        """Make the running errors."""
        return MattingScores(**options)

    @classmethod
    def predictor(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, **options: Any
    ) -> MattingPredictor:
        """Make what predicts and draws mattes; options are `MattingPredictor`'s."""
        return MattingPredictor(model, processor, **options)

    @classmethod
    def samples(cls, spec: DatasetSpec, split: str, on_bad: OnBad = "raise") -> Samples:
        """Open a split to be scored, which needs trimaps.

        Raises:
            ValueError: The data set names none.
        """
        if spec.trimap_column is None:
            raise ValueError(
                f"the data set {spec.name!r} must name a trimap_column, got none: errors are counted where a "
                "trimap is unknown"
            )
        return super().samples(spec, split, on_bad)

    def build_model(self) -> PreTrainedModel:
        """Make the model from scratch, from matting weights or from an ImageNet encoder."""
        return build_model(self.architecture, self.arguments.model, self.head, classifier=())

    def processor(self) -> BaseImageProcessor:
        """Make transformers' processor of photos with trimaps."""
        return matting_processor(self.architecture.mean, self.architecture.std)

    def transform(self) -> MattingTransform:
        """Make the recipe's transform."""
        data = self.arguments.data
        return MattingTransform(
            data.crop,
            flip=data.flip,
            photometric=data.photometric,
            mean=self.architecture.mean,
            std=self.architecture.std,
            **data.transform,
        )

    def weight(self, batch: dict) -> Tensor:
        """Count the images, over which the loss is a mean."""
        return torch.tensor(len(batch["labels"]))

    def strip(self, sample: dict, prediction: np.ndarray) -> Image.Image:
        """Draw photo, trimap, prediction and what it cuts out side by side."""
        photo, trimap = sample["image"][..., :3], sample["image"][..., 3]
        grey = np.rint(255 * prediction).astype(np.uint8)
        panels = {
            "photo": photo,
            "trimap": np.dstack([trimap] * 3),
            "prediction": np.dstack([grey] * 3),
            "cut out": over_checkerboard(photo, prediction),
        }
        return comparison_strip(panels, height=max(PICTURE_HEIGHT, len(photo)))
