"""Semantic segmentation with SegFormer and a choice of upsampler."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from sapa_hf import SapaSegformerForSemanticSegmentation
from sapa_hf.data import (
    Samples,
    SegmentationTransform,
    collate,
)
from sapa_hf.evaluation import (
    WholeImage,
    evaluate_segmentation,
    overall_table,
    per_class_table,
    write_results,
)
from sapa_hf.pictures import comparison_strip, legend_for, overlay, palette, with_legend
from sapa_hf.processors import SegformerImageProcessor

from .images import ImageTask
from .warm_start import build_model

PICTURE_HEIGHT = 256  # smaller images are enlarged, so that their captions can be read


class SegmentationTask(ImageTask):
    """Learn the class of every pixel; the best weights have the highest mean IoU."""

    name = "image-segmentation"
    target = "labels"
    best_metric = "mean_iou"
    greater_is_better = True
    head = ("decode_head.",)
    keys = frozenset({"base_size", "scale", "cat_max_ratio", "eval_multiple"})

    def prepare(self) -> None:
        """Open the splits, and read the class names."""
        if self.spec.id2label is None:
            raise ValueError(f"the data set {self.spec.name!r} names no classes: give data_fields.id2label")
        super().prepare()

    def build_model(self) -> PreTrainedModel:
        """Make SegFormer from scratch, from SegFormer weights or from an ImageNet MiT encoder."""
        id2label = self.spec.id2label
        return build_model(
            SapaSegformerForSemanticSegmentation,
            self.arguments.model,
            self.head,
            classifier="decode_head.classifier",
            id2label=id2label,
            label2id={label: number for number, label in id2label.items()},
            semantic_loss_ignore_index=self.spec.ignore_index,
        )

    def processor(self) -> SegformerImageProcessor:
        """Make the processor that predicts at the size the model was evaluated at."""
        side = self.arguments.evaluation.eval_short_side or self.arguments.data.crop_size
        return SegformerImageProcessor(
            do_reduce_labels=self.spec.reduce_labels, size={"height": side, "width": side}
        )

    def transform(self) -> SegmentationTransform:
        """Make the recipe's transform."""
        data = self.arguments.data
        return SegmentationTransform(
            data.crop_size,
            scale=tuple(data.scale),
            base_size=tuple(data.base_size),
            cat_max_ratio=data.cat_max_ratio,
            flip=data.flip,
            photometric=data.photometric,
            ignore_index=self.spec.ignore_index,
        )

    def collate(self, items: list[dict]) -> dict[str, Any]:
        """Join samples, checking their labels once more."""
        return collate(items, num_labels=self.spec.num_labels, ignore_index=self.spec.ignore_index)

    def weight(self, batch: dict) -> Tensor:
        """Count the pixels that have a class."""
        return (batch["labels"] != self.spec.ignore_index).sum()

    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float | list]:
        """Score whole images of the evaluation split."""
        return self._score(model, accelerator, self._eval_samples, self.arguments.evaluation.eval_limit)

    def pictures(self, model: PreTrainedModel) -> dict[str, Image.Image]:
        """Draw a few images of the evaluation split: photo, labels and prediction side by side."""
        inference, colours = WholeImage(**self._protocol()), palette(self.spec.num_labels)
        strips = {}
        for number in range(min(self.arguments.evaluation.pictures, len(self._eval_samples))):
            sample = self._eval_samples[number]
            image, labels = sample["image"], sample["labels"]
            predicted = inference.predict(model, image, f"image {sample['id']}")
            panels = {
                "photo": Image.fromarray(image),
                "labels": overlay(image, labels, colours),
                "prediction": overlay(image, predicted, colours),
            }
            strip = comparison_strip(panels, height=max(PICTURE_HEIGHT, len(image)))
            strips[f"{number}"] = with_legend(
                strip, legend_for([labels, predicted], self.spec.id2label, colours)
            )
        return strips

    def report(self, model: PreTrainedModel, accelerator: Accelerator, training: dict, path: Path) -> str:
        """Score the finished model on the final split."""
        split = self.final_split
        metrics = self._score(model, accelerator, self._final_samples)
        if accelerator.is_main_process:
            extra = {"task": self.name, "split": split, "training": training, "evaluation": self._protocol()}
            write_results(path, metrics, model, self.spec, extra)
        accelerator.wait_for_everyone()
        tables = per_class_table(metrics["per_class"]), overall_table({f"{self.spec.name} {split}": metrics})
        return "\n\n".join(tables)

    def _score(
        self, model: PreTrainedModel, accelerator: Accelerator, samples: Samples, limit: int | None = None
    ) -> dict[str, float | list]:
        """Score images, shared out over the ranks."""
        return evaluate_segmentation(
            model,
            samples,
            num_labels=self.spec.num_labels,
            ignore_index=self.spec.ignore_index,
            device=accelerator.device,
            rank=accelerator.process_index,
            world_size=accelerator.num_processes,
            reduce=partial(accelerator.reduce, reduction="sum"),
            progress=False,
            limit=limit,
            id2label=self.spec.id2label,
            **self._protocol(),
        )

    def _protocol(self) -> dict[str, int | None]:
        """The sizes that images are evaluated at."""
        evaluation = self.arguments.evaluation
        return {
            "short_side": evaluation.eval_short_side,
            "max_side": evaluation.eval_max_side,
            "multiple": evaluation.eval_multiple,
        }
