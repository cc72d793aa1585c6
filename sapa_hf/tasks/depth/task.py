"""Depth estimation with BTS or GLPN and a choice of upsampler."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoModelForDepthEstimation,
    DPTImageProcessorPil,
    GLPNImageProcessorPil,
    PreTrainedModel,
)
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf import SapaBtsForDepthEstimation, SapaGlpnForDepthEstimation
from sapa_hf.data import DatasetSpec, DepthTransform
from sapa_hf.pictures import colourize_depth, comparison_strip, depth_range, with_depth_scale

from ..architecture import Architecture, Figure
from ..images import ImageTask
from ..table import figures_table
from ..warm_start import build_model
from .predictor import DepthPredictor
from .scores import DepthScores
from .whole_depth import WholeDepth

PICTURE_HEIGHT = 240  # smaller images are enlarged, so that their captions can be read
TRANSFORM_OPTIONS = set(inspect.signature(DepthTransform).parameters) - {"flip", "mean", "std"}
ERRORS = tuple(
    Figure(key, key, lower_is_better=not key.startswith("delta"))
    for key in ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")
)


class DepthTask(ImageTask):
    """Learn the depth of every pixel in metres; the best weights have the lowest abs_rel."""

    name = "depth-estimation"
    auto_classes = (AutoModelForDepthEstimation,)
    architectures = {
        "bts": Architecture(
            SapaBtsForDepthEstimation,
            head=("decoder.",),
            card="bts.md",
            tags=("depth-estimation", "feature-upsampling", "sapa", "bts", "vision"),
        ),
        "glpn": Architecture(
            SapaGlpnForDepthEstimation,
            head=("decoder.", "head."),
            card="glpn.md",
            tags=("depth-estimation", "feature-upsampling", "sapa", "glpn", "vision"),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            key_mapping={"^segformer.": "glpn."},
        ),
    }
    keys = frozenset(
        {
            "architecture",
            "crop_size",
            "crop_width",
            "eval_short_side",
            "frozen",
            "metric",
            "photometric",
            "transform",
        }
    )
    figures = (
        Figure("abs_rel", "abs_rel", lower_is_better=True),
        Figure("rmse", "rmse", "m", digits=3, lower_is_better=True),
        Figure("delta1", "delta1"),
    )
    card_metrics = {
        "abs_rel": "abs rel (lower is better)",
        "rmse": "RMSE, m (lower is better)",
        "log10": "log10 (lower is better)",
        "sq_rel": "sq rel (lower is better)",
        "rmse_log": "RMSE log (lower is better)",
        "silog": "SILog, hundredths (lower is better)",
        "delta1": "share within a factor of 1.25 (higher is better)",
        "delta2": "share within a factor of 1.25^2 (higher is better)",
        "delta3": "share within a factor of 1.25^3 (higher is better)",
    }
    views = {
        "short_side": {"type": int, "help": "instead of the saved processor's size; 0: each photo's own"},
        "max_side": {"type": int, "help": "longest side that --short_side may lead to; 2048"},
        "flip": {"action": "store_true", "help": "average with the mirrored photo"},
    }
    scoring = {
        "crop": {"choices": ["eigen", "garg"], "help": "score within a benchmark's crop"},
        "min_depth": {"type": float, "help": "metres that truth must lie above; 0.001"},
        "max_depth": {"type": float, "help": "metres that truth must lie below; 10"},
    }
    target = "depth"

    def __init__(self, arguments):
        super().__init__(arguments)
        self.check_keys("transform", arguments.data.transform, TRANSFORM_OPTIONS)
        self.check_keys("metric", arguments.evaluation.metric, self.scoring)

    @classmethod
    def inference(cls, processor: BaseImageProcessor | None, **options: Any) -> WholeDepth:
        """Make the inference on whole photos; options are `WholeDepth`'s."""
        return WholeDepth(processor, **options)

    @classmethod
    def scores(cls, spec: DatasetSpec, **options: Any) -> DepthScores:
        """Make the running errors; options are the depth metric's, over the benchmark's own."""
        return DepthScores({**spec.depth_metric, **options})

    @classmethod
    def scoring_protocol(cls, spec: DatasetSpec, **options: Any) -> dict[str, Any]:
        """Say the options of the metric."""
        return {"metric": {**spec.depth_metric, **options}}

    @classmethod
    def predictor(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, **options: Any
    ) -> DepthPredictor:
        """Make what predicts and draws depth; options are `WholeDepth`'s."""
        return DepthPredictor(model, processor, **options)

    @classmethod
    def table(cls, rows: Mapping[str, Mapping[str, Any]]) -> str:
        """Lay out the nine errors; lower is better up to silog, higher from delta1 on."""
        return figures_table(rows, ERRORS)

    @property
    def metric(self) -> dict[str, Any]:
        """The options of the depth metric: the benchmark's own, and over them the recipe's."""
        return {**self.spec.depth_metric, **self.arguments.evaluation.metric}

    @property
    def protocol(self) -> dict[str, Any]:
        """How the run scores its images, with the options of the metric."""
        return super().protocol | self.scoring_protocol(self.spec, **self.arguments.evaluation.metric)

    def survey_options(self) -> dict[str, Any]:
        """The range of depth that the evaluation counts."""
        return {"depth_range": (self.metric.get("min_depth", 1e-3), self.metric.get("max_depth", 10.0))}

    def build_model(self) -> PreTrainedModel:
        """Make the model from scratch, from depth weights or from an ImageNet encoder."""
        model = build_model(
            self.architecture,
            self.arguments.model,
            self.head,
            classifier=(),
        )
        freeze(model, self.arguments.model.frozen)
        self._range = model.config.min_depth, model.config.max_depth
        return model

    def processor(self) -> BaseImageProcessor:
        """Make the processor that predicts at the size the model is evaluated at."""
        side = self.arguments.evaluation.eval_short_side
        if side is None and not any(self.architecture.mean):
            return GLPNImageProcessorPil(do_resize=False)
        return DPTImageProcessorPil(
            do_resize=side is not None,
            size={"height": side, "width": side} if side else None,
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
            "crop_size": data.crop,
            "frame": self.spec.frame,
            **data.transform,
        }
        if not data.photometric:
            options["photometric"] = 0.0
        return DepthTransform(
            flip=data.flip, mean=self.architecture.mean, std=self.architecture.std, **options
        )

    def weight(self, batch: dict) -> Tensor:
        """Count the pixels that the loss counts."""
        labels, (near, far) = batch["labels"], self._range
        return (torch.isfinite(labels) & (labels > near) & (labels <= far)).sum()

    def strip(self, sample: dict, prediction: np.ndarray) -> Image.Image:
        """Draw photo, depth and prediction side by side, with a scale."""
        image, depth = sample["image"], sample["labels"]
        near, far = depth_range(depth, prediction)
        panels = {
            "photo": image,
            "depth": colourize_depth(depth, near, far),
            "prediction": colourize_depth(prediction, near, far),
        }
        strip = comparison_strip(panels, height=max(PICTURE_HEIGHT, len(image)))
        return with_depth_scale(strip, near, far)

    def _run_scores(self) -> DepthScores:
        return self.scores(self.spec, **self.metric)


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
