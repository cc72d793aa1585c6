"""Semantic segmentation with SegFormer and a choice of upsampler."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel, SegformerImageProcessor

from sapa_hf import SapaSegformerForSemanticSegmentation
from sapa_hf.data import (
    DatasetSpec,
    Samples,
    SegmentationTransform,
    StreamedSamples,
    collate,
    get_spec,
    load_split,
)
from sapa_hf.evaluation import (
    WholeImage,
    evaluate_segmentation,
    overall_table,
    per_class_table,
    write_results,
)
from sapa_hf.pictures import comparison_strip, legend_for, overlay, palette, with_legend

from .base import Task
from .fingerprint import data_fingerprint
from .warm_start import build_model

PICTURE_HEIGHT = 256  # smaller images are enlarged, so that their captions can be read


class SegmentationTask(Task):
    """Learn the class of every pixel; the best weights have the highest mean IoU."""

    name = "semantic-segmentation"
    best_metric = "mean_iou"
    greater_is_better = True
    head = ("decode_head.",)

    @cached_property
    def spec(self) -> DatasetSpec:
        """The data set, as the recipe names and overrides it."""
        data = self.arguments.data
        path = {} if data.data_path is None else {"path": data.data_path}
        return get_spec(data.dataset, **path, **data.data_fields)

    def prepare(self) -> None:
        """Open the training, evaluation and final splits, and read the class names."""
        if self.spec.id2label is None:
            raise ValueError(f"the data set {self.spec.name!r} names no classes: give data_fields.id2label")
        _ = self._train_split, self._eval_samples, self._final_samples

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

    @cached_property
    def _train_split(self):
        return load_split(self.spec, self.spec.train_split, streaming=self.arguments.data.streaming)

    def train_samples(self, start: int, rank: int, world_size: int) -> Samples | StreamedSamples:
        """Give the training split with the recipe's random transform."""
        data = self.arguments.data
        transform = SegmentationTransform(
            data.crop_size,
            scale=tuple(data.scale),
            base_size=tuple(data.base_size),
            cat_max_ratio=data.cat_max_ratio,
            flip=data.flip,
            photometric=data.photometric,
            ignore_index=self.spec.ignore_index,
        )
        seed = self.arguments.run.seed
        if not data.streaming:
            return Samples(self._train_split, self.spec, transform=transform, seed=seed, on_bad=data.on_bad)
        return StreamedSamples(
            self._train_split.shuffle(seed, buffer_size=data.shuffle_buffer),
            self.spec,
            transform=transform,
            seed=seed,
            rank=rank,
            world_size=world_size,
            on_bad=data.on_bad,
            start=start,
            batch_size=self.arguments.optimization.batch_size,
            epochs=None,
        )

    def fingerprint(self) -> str:
        """Digest the training split."""
        return data_fingerprint(self._train_split, self.spec)

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

    @cached_property
    def _eval_samples(self) -> Samples:
        return self._whole_images(self.spec.eval_split)

    @property
    def final_split(self) -> str:
        """The split that the results file is about."""
        return self.arguments.evaluation.final_split or self.spec.test_split

    @cached_property
    def _final_samples(self) -> Samples:
        return self._whole_images(self.final_split)

    def _whole_images(self, split: str) -> Samples:
        """The images of a split as they are."""
        return Samples(load_split(self.spec, split), self.spec, on_bad=self.arguments.data.on_bad)

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
