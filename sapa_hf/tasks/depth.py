"""Depth estimation with BTS or GLPN and a choice of upsampler."""

from __future__ import annotations

import inspect
import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf import SapaBtsForDepthEstimation, SapaGlpnForDepthEstimation
from sapa_hf.data import DepthTransform, collate
from sapa_hf.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from sapa_hf.evaluation import WholeDepth, evaluate_depth, results_table, write_results
from sapa_hf.pictures import colourize_depth, comparison_strip, depth_range, with_depth_scale
from sapa_hf.processors import DPTImageProcessor, GLPNImageProcessor
from sapa_hf.training.arguments import Arguments

from .images import ImageTask
from .warm_start import build_model

PICTURE_HEIGHT = 240  # smaller images are enlarged, so that their captions can be read
TRANSFORM_OPTIONS = set(inspect.signature(DepthTransform).parameters) - {"flip", "mean", "std"}
METRIC_OPTIONS = {"min_depth", "max_depth", "crop"}


class Architecture(NamedTuple):
    """One of the depth models, and what its training has to know."""

    model: type[PreTrainedModel]
    head: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    key_mapping: dict[str, str] | None  # from the names in an ImageNet checkpoint


ARCHITECTURES = {
    "bts": Architecture(SapaBtsForDepthEstimation, ("decoder.",), IMAGENET_MEAN, IMAGENET_STD, None),
    "glpn": Architecture(
        SapaGlpnForDepthEstimation,
        ("decoder.", "head."),
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        {"^segformer.": "glpn."},
    ),
}


class DepthTask(ImageTask):
    """Learn the depth of every pixel in metres; the best weights have the lowest abs_rel."""

    name = "depth-estimation"
    best_metric = "abs_rel"
    greater_is_better = False
    target = "depth"
    keys = frozenset({"architecture", "frozen", "transform", "metric"})

    def __init__(self, arguments: Arguments):
        super().__init__(arguments)
        chosen = arguments.model.architecture or "bts"
        if chosen not in ARCHITECTURES:
            raise ValueError(f"architecture must be one of {', '.join(ARCHITECTURES)}, got {chosen!r}")
        self.architecture = ARCHITECTURES[chosen]
        self.head = self.architecture.head
        _check_keys("transform", arguments.data.transform, TRANSFORM_OPTIONS)
        _check_keys("metric", arguments.evaluation.metric, METRIC_OPTIONS)

    @property
    def metric(self) -> dict[str, Any]:
        """The options of the depth metric: the benchmark's own, and over them the recipe's."""
        return {**self.spec.depth_metric, **self.arguments.evaluation.metric}

    def survey_options(self) -> dict[str, Any]:
        """The range of depth that the evaluation counts."""
        return {"depth_range": (self.metric.get("min_depth", 1e-3), self.metric.get("max_depth", 10.0))}

    def build_model(self) -> PreTrainedModel:
        """Make the model from scratch, from depth weights or from an ImageNet encoder."""
        model = build_model(
            self.architecture.model,
            self.arguments.model,
            self.head,
            classifier=(),
            key_mapping=self.architecture.key_mapping,
        )
        freeze(model, self.arguments.model.frozen)
        self._range = model.config.min_depth, model.config.max_depth
        return model

    def processor(self) -> BaseImageProcessor:
        """Make the processor that predicts at the size the model was evaluated at."""
        side = self.arguments.evaluation.eval_short_side
        if side is None and self.architecture is ARCHITECTURES["glpn"]:
            return GLPNImageProcessor()
        size = {"height": side, "width": side} if side else None
        return DPTImageProcessor(
            do_resize=side is not None,
            size=size,
            keep_aspect_ratio=True,
            resample=Image.Resampling.BILINEAR,
            do_normalize=any(self.architecture.mean),
            image_mean=self.architecture.mean,
            image_std=self.architecture.std,
        )

    def transform(self) -> DepthTransform:
        """Make the recipe's transform; a crop is square unless `transform` says otherwise."""
        data = self.arguments.data
        options = {
            "crop_size": (data.crop_size, data.crop_size),
            "frame": self.spec.frame,
            **data.transform,
        }
        if not data.photometric:
            options["photometric"] = 0.0
        return DepthTransform(
            flip=data.flip, mean=self.architecture.mean, std=self.architecture.std, **options
        )

    def collate(self, items: list[dict]) -> dict[str, Any]:
        """Join samples."""
        return collate(items)

    def weight(self, batch: dict) -> Tensor:
        """Count the pixels that the loss counts."""
        labels, (near, far) = batch["labels"], self._range
        return (torch.isfinite(labels) & (labels > near) & (labels <= far)).sum()

    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float | list]:
        """Score whole images of the evaluation split."""
        return self._score(model, accelerator, self._eval_samples, self.arguments.evaluation.eval_limit)

    def pictures(self, model: PreTrainedModel) -> dict[str, Image.Image]:
        """Draw a few images of the evaluation split: photo, depth and prediction side by side."""
        inference, strips = WholeDepth(**self._protocol()), {}
        for number in range(min(self.arguments.evaluation.pictures, len(self._eval_samples))):
            sample = self._eval_samples[number]
            image, depth = sample["image"], sample["labels"]
            predicted = inference.predict(model, image, f"image {sample['id']}")
            near, far = depth_range(depth, predicted)
            panels = {
                "photo": image,
                "depth": colourize_depth(depth, near, far),
                "prediction": colourize_depth(predicted, near, far),
            }
            strip = comparison_strip(panels, height=max(PICTURE_HEIGHT, len(image)))
            strips[f"{number}"] = with_depth_scale(strip, near, far)
        return strips

    def report(self, model: PreTrainedModel, accelerator: Accelerator, training: dict, path: Path) -> str:
        """Score the finished model on the final split."""
        split = self.final_split
        metrics = self._score(model, accelerator, self._final_samples)
        if accelerator.is_main_process:
            protocol = self._protocol() | {"metric": self.metric}
            extra = {"task": self.name, "split": split, "training": training, "evaluation": protocol}
            write_results(path, metrics, model, self.spec, extra)
        accelerator.wait_for_everyone()
        return results_table(f"{self.spec.name} {split}", metrics)

    def _score(self, model, accelerator: Accelerator, samples, limit: int | None = None) -> dict:
        """Score images, shared out over the ranks."""
        return evaluate_depth(
            model,
            samples,
            metric=self.metric,
            device=accelerator.device,
            rank=accelerator.process_index,
            world_size=accelerator.num_processes,
            reduce=partial(accelerator.reduce, reduction="sum"),
            progress=False,
            limit=limit,
            **self._protocol(),
        )

    def _protocol(self) -> dict[str, Any]:
        """The size and normalisation that images are evaluated at."""
        evaluation = self.arguments.evaluation
        return {
            "short_side": evaluation.eval_short_side,
            "max_side": evaluation.eval_max_side,
            "mean": self.architecture.mean,
            "std": self.architecture.std,
        }


def freeze(model: PreTrainedModel, patterns: list[str]) -> None:
    """Leave untrained the parameters that one of these regular expressions is found in.

    Raises:
        ValueError: a pattern is found in no parameter's name.
    """
    for pattern in patterns:
        found = [p for name, p in model.named_parameters() if re.search(pattern, name)]
        if not found:
            raise ValueError(f"frozen: {pattern!r} is in no parameter's name of {type(model).__name__}")
        for parameter in found:
            parameter.requires_grad_(False)


def _check_keys(name: str, options: dict, known: set[str]) -> None:
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"{name} has no {', '.join(unknown)} for depth; it has {', '.join(sorted(known))}")
