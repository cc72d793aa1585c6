"""Object detection with a choice of upsampler."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForObjectDetection, PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf import SapaFasterRcnnForObjectDetection
from sapa_hf.data import DatasetSpec, DetectionTransform
from sapa_hf.pictures import comparison_strip, draw_boxes

from ..architecture import Architecture, Figure
from ..images import ImageTask
from ..warm_start import build_model
from .predictor import LEAST_SCORE, DetectionPredictor
from .scores import DetectionScores
from .whole_detection import WholeDetection, detection_processor

PICTURE_HEIGHT = 320  # smaller images are enlarged, so that their captions can be read


class DetectionTask(ImageTask):
    """Learn the boxes and classes of objects; the best weights have the highest average precision."""

    name = "object-detection"
    auto_classes = (AutoModelForObjectDetection,)
    architectures = {
        "faster_rcnn": Architecture(
            SapaFasterRcnnForObjectDetection,
            head=("detector.rpn.", "detector.roi_heads.", "detector.backbone.fpn."),
            card="faster_rcnn.md",
            tags=("object-detection", "feature-upsampling", "sapa", "vision"),
            mean=(0.0, 0.0, 0.0),  # torchvision's network normalises by itself
            std=(1.0, 1.0, 1.0),
            key_mapping={r"^(conv1|bn1|layer\d)\.": r"detector.backbone.body.\1."},
            classifier=("detector.roi_heads.box_predictor.",),
        ),
    }
    keys = frozenset({"architecture"})
    figures = (
        Figure("ap", "AP", "%", 100, 2),
        Figure("ap50", "AP50", "%", 100, 2),
        Figure("ap75", "AP75", "%", 100, 2),
    )
    card_metrics = {
        "ap": "AP",
        "ap50": "AP at an overlap of 0.50",
        "ap75": "AP at an overlap of 0.75",
        "ap_small": "AP of small objects",
        "ap_medium": "AP of medium objects",
        "ap_large": "AP of large objects",
    }
    percent = True
    predicting = {"min_score": {"type": float, "help": f"of the boxes that are drawn; {LEAST_SCORE}"}}
    target = "boxes"

    @classmethod
    def inference(cls, processor: BaseImageProcessor | None, **options: Any) -> WholeDetection:
        """Make the inference on whole photos."""
        return WholeDetection(processor, **options)

    @classmethod
    def scores(cls, spec: DatasetSpec, **options: Any) -> DetectionScores:
        """Make the running scores, which have no options."""
        return DetectionScores(**options)

    @classmethod
    def predictor(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, **options: Any
    ) -> DetectionPredictor:
        """Make what finds and draws objects; options are `DetectionPredictor`'s."""
        return DetectionPredictor(model, processor, **options)

    @classmethod
    def check_data(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, spec: DatasetSpec
    ) -> None:
        """Refuse a data set of other classes.

        Raises:
            ValueError: the model tells apart another number of classes.
        """
        if model.config.num_labels != spec.num_labels:
            raise ValueError(
                f"the model knows {model.config.num_labels} classes but {spec.name} has {spec.num_labels}: "
                "evaluate it on the data set it was trained for"
            )

    def build_model(self) -> PreTrainedModel:
        """Make the model from scratch, from detection weights or from an ImageNet ResNet."""
        names = self.spec.class_names
        return build_model(
            self.architecture,
            self.arguments.model,
            self.head,
            self.architecture.classifier,
            id2label=names,
            label2id={name: number for number, name in names.items()},
        )

    def processor(self) -> BaseImageProcessor:
        """Make the processor, which leaves size and normalisation to the model."""
        return detection_processor()

    def transform(self) -> DetectionTransform:
        """Make the recipe's transform."""
        return DetectionTransform(self.arguments.data.flip)

    def collate(self, items: list[dict]) -> dict[str, Any]:
        """Join samples of any sizes: lists of photos (3, H, W) and of their boxes and classes."""
        boxes = [torch.from_numpy(item["labels"]) for item in items]  # (n, 5) each
        return {
            "pixel_values": [torch.from_numpy(item["pixel_values"]) for item in items],
            "labels": [{"boxes": one[:, :4], "class_labels": one[:, 4].long()} for one in boxes],
            "ids": [item["id"] for item in items],
            "skipped": sum(item["skipped"] for item in items),
        }

    def weight(self, batch: dict) -> Tensor:
        """Count the images, over which the loss is a mean."""
        return torch.tensor(len(batch["labels"]))

    def strip(self, sample: dict, prediction: np.ndarray) -> Image.Image:
        """Draw the true boxes and those found side by side."""
        image, names = sample["image"], self.spec.class_names
        truth, found = sample["labels"], prediction[prediction[:, 4] >= LEAST_SCORE]
        panels = {
            "boxes": np.asarray(draw_boxes(image, truth[:, :4], truth[:, 4], names)),
            "found": np.asarray(draw_boxes(image, found[:, :4], found[:, 5], names, found[:, 4])),
        }
        return comparison_strip(panels, height=max(PICTURE_HEIGHT, len(image)))
