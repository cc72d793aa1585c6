"""Semantic segmentation with a choice of network and upsampler."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor
from transformers import (
    AutoModelForSemanticSegmentation,
    AutoModelForUniversalSegmentation,
    PreTrainedModel,
)
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.data import DatasetSpec, SegmentationTransform, collate
from sapa_hf.data.class_frequency import median_frequency_weights, read_label_maps
from sapa_hf.pictures import comparison_strip, legend_for, overlay, palette, with_legend

from ..architecture import Figure
from ..images import ImageTask
from ..warm_start import build_model
from .networks import NETWORKS
from .predictor import SegmentationPredictor, class_names
from .scores import SegmentationScores
from .table import overall_table, per_class_table
from .whole_image import WholeImage, segmentation_processor

if TYPE_CHECKING:  # training is built upon tasks, not the other way round
    from sapa_hf.training.arguments import Arguments

PICTURE_HEIGHT = 256  # smaller images are enlarged, so that their captions can be read


class SegmentationTask(ImageTask):
    """Learn the class of every pixel; the best weights have the highest mean IoU."""

    name = "image-segmentation"
    auto_classes = (AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation)
    architectures = NETWORKS
    keys = frozenset(
        {
            "architecture",
            "base_size",
            "cat_max_ratio",
            "class_weights",
            "crop_size",
            "crop_width",
            "eval_max_side",
            "eval_multiple",
            "eval_short_side",
            "photometric",
            "scale",
        }
    )
    figures = (
        Figure("mean_iou", "mIoU", "%", 100, 2),
        Figure("boundary_iou", "boundary IoU", "%", 100, 2),
    )
    card_metrics = {
        "mean_iou": "mean IoU",
        "boundary_iou": "boundary IoU",
        "mean_accuracy": "mean accuracy",
        "overall_accuracy": "pixel accuracy",
    }
    percent = True
    views = {
        "short_side": {"type": int, "help": "instead of the saved processor's size; 0: each photo's own"},
        "max_side": {"type": int, "help": "longest side that --short_side may lead to; 2048"},
        "scales": {"type": float, "nargs": "+", "help": "average over these scales"},
        "flip": {"action": "store_true", "help": "average with the mirrored photo"},
    }
    target = "labels"

    def __init__(self, arguments: Arguments):
        super().__init__(arguments)
        known = self.architecture.config_class().to_dict()
        if arguments.model.class_weights is not None and "class_weights" not in known:
            raise ValueError(
                f"class_weights must be null for {self.architecture.model.__name__}, whose loss counts all "
                f"classes alike, got {arguments.model.class_weights!r}: leave it out, or choose "
                "architecture=segnet"
            )

    @classmethod
    def inference(cls, processor: BaseImageProcessor | None, **options: Any) -> WholeImage:
        """Make the inference on whole photos; options are `WholeImage`'s."""
        return WholeImage(processor, **options)

    @classmethod
    def scores(cls, spec: DatasetSpec, **options: Any) -> SegmentationScores:
        """Make the running scores of a data set's classes, which have no options."""
        return SegmentationScores(spec.num_labels, spec.ignore_index, spec.id2label, **options)

    @classmethod
    def predictor(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, **options: Any
    ) -> SegmentationPredictor:
        """Make what predicts and draws class maps; options are `WholeImage`'s."""
        return SegmentationPredictor(model, processor, **options)

    @classmethod
    def check_data(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, spec: DatasetSpec
    ) -> None:
        """Refuse a data set of other classes.

        Raises:
            ValueError: the model tells apart another number of classes, or the labels are counted otherwise.
        """
        names = class_names(model)
        if len(names) != spec.num_labels:
            raise ValueError(
                f"the model knows {len(names)} classes but {spec.name} has {spec.num_labels}: evaluate it on "
                "the data set it was trained for"
            )
        if getattr(processor, "do_reduce_labels", None) and not spec.reduce_labels:
            raise ValueError(
                f"the saved processor has do_reduce_labels=true, but the labels of {spec.name} are not "
                "reduced: class 1 would count as class 0. Set it to false in preprocessor_config.json if "
                "they are numbered from 0"
            )

    @classmethod
    def table(cls, rows: Mapping[str, Mapping[str, Any]]) -> str:
        """Lay out results: the classes of the first, then all overall scores."""
        per_class = next(iter(rows.values())).get("per_class")
        tables = [per_class_table(per_class)] if per_class else []
        return "\n\n".join([*tables, overall_table(rows)])

    def prepare(self) -> None:
        """Open the splits, and read the class names."""
        if self.spec.id2label is None:
            self.spec.check_there()
            raise ValueError(f"the data set {self.spec.name!r} names no classes: give data_fields.id2label")
        super().prepare()

    def build_model(self) -> PreTrainedModel:
        """Make the model from scratch, from weights of its kind or from an ImageNet encoder."""
        id2label = self.spec.class_names
        return build_model(
            self.architecture,
            self.arguments.model,
            self.head,
            classifier=self.architecture.classifier,
            id2label=id2label,
            label2id={label: number for number, label in id2label.items()},
            semantic_loss_ignore_index=self.spec.ignore_index,
            **({} if self.class_weights is None else {"class_weights": self.class_weights}),
        )

    @cached_property
    def class_weights(self) -> list[float] | None:
        """What a pixel of each class counts in the loss; None counts all alike."""
        if self.arguments.model.class_weights is None:
            return None
        labels = read_label_maps(self._train_split, self.spec, self.arguments.data.on_bad)
        return median_frequency_weights(labels, self.spec.num_labels)

    def processor(self) -> BaseImageProcessor:
        """Make the processor that predicts at the size the model is evaluated at."""
        evaluation = self.arguments.evaluation
        return segmentation_processor(
            evaluation.eval_short_side,
            evaluation.eval_max_side,
            evaluation.eval_multiple,
            do_reduce_labels=self.spec.reduce_labels,
            image_mean=self.architecture.mean,
            image_std=self.architecture.std,
        )

    def transform(self) -> SegmentationTransform:
        """Make the recipe's transform."""
        data = self.arguments.data
        return SegmentationTransform(
            data.crop,
            scale=data.scale,
            base_size=data.base_size,
            cat_max_ratio=data.cat_max_ratio,
            flip=data.flip,
            photometric=data.photometric,
            mean=self.architecture.mean,
            std=self.architecture.std,
            ignore_index=self.spec.ignore_index,
        )

    def collate(self, items: list[dict]) -> dict[str, Any]:
        """Join samples, checking their labels once more."""
        return collate(items, num_labels=self.spec.num_labels, ignore_index=self.spec.ignore_index)

    def weight(self, batch: dict) -> Tensor:
        """Count what the network's loss is an average over, such as the pixels that have a class."""
        return self.architecture.counts(batch["labels"], self.spec.ignore_index, self.class_weights)

    def strip(self, sample: dict, prediction: np.ndarray) -> Image.Image:
        """Draw photo, labels and prediction side by side, with a legend."""
        image, labels, colours = sample["image"], sample["labels"], palette(self.spec.num_labels)
        panels = {
            "photo": Image.fromarray(image),
            "labels": overlay(image, labels, colours),
            "prediction": overlay(image, prediction, colours),
        }
        strip = comparison_strip(panels, height=max(PICTURE_HEIGHT, len(image)))
        return with_legend(strip, legend_for([labels, prediction], self.spec.class_names, colours))
