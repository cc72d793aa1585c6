"""What every task on photos with a target of their size shares: its data set, samples and scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
from accelerate import Accelerator
from PIL import Image
from transformers import PreTrainedModel

from sapa_hf.data import (
    DatasetSpec,
    OnBad,
    Samples,
    StreamedSamples,
    Target,
    collate,
    get_spec,
    load_split,
    survey_split,
)

from .base import Task
from .fingerprint import data_fingerprint
from .scoring import Inference, score_model, share_of


class ImageTask(Task):
    """A task whose samples are photos with a map of the same size.

    Attributes:
        target: what is learnt, see `Samples`.
    """

    target: ClassVar[Target]

    @abstractmethod
    def transform(self) -> Callable:
        """Make the recipe's random transform of a training sample."""

    @abstractmethod
    def strip(self, sample: dict, prediction: np.ndarray) -> Image.Image:
        """Draw a sample beside what was predicted for it."""

    @classmethod
    def samples(cls, spec: DatasetSpec, split: str, on_bad: OnBad = "raise") -> Samples:
        """Open a split with the images as they are."""
        return Samples(load_split(spec, split), spec, target=cls.target, on_bad=on_bad)

    @cached_property
    def spec(self) -> DatasetSpec:
        """The data set, as the recipe names and overrides it."""
        data = self.arguments.data
        path = {} if data.data_path is None else {"path": data.data_path}
        return get_spec(data.dataset, **path, **data.data_fields)

    def prepare(self) -> None:
        """Open the training, evaluation and final splits, and look at their labels."""
        look = partial(survey_split, spec=self.spec, target=self.target, on_bad=self.arguments.data.on_bad)
        look(self._train_split, train=True)
        look(self._eval_samples.dataset, limit=self.arguments.evaluation.eval_limit, **self.survey_options())
        look(self._final_samples.dataset, **self.survey_options())

    def survey_options(self) -> dict[str, Any]:
        """What `survey_split` needs for the evaluation splits besides the target."""
        return {}

    def fingerprint(self) -> str:
        """Digest the training split."""
        return data_fingerprint(self._train_split, self.spec)

    def train_samples(self, start: int, rank: int, world_size: int) -> Samples | StreamedSamples:
        """Give the training split with the recipe's random transform."""
        data, seed, transform = self.arguments.data, self.arguments.run.seed, self.transform()
        if not data.streaming:
            return Samples(self._train_split, self.spec, self.target, transform, seed, data.on_bad)
        return StreamedSamples(
            self._train_split.shuffle(seed, buffer_size=data.shuffle_buffer),
            self.spec,
            transform,
            seed,
            rank,
            world_size,
            data.on_bad,
            start,
            self.target,
            batch_size=self.arguments.optimization.batch_size,
            epochs=None,
        )

    def collate(self, items: list[dict]) -> dict[str, Any]:
        """Join samples."""
        return collate(items)

    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, Any]:
        """Score whole images of the evaluation split."""
        limit = self.arguments.evaluation.eval_limit
        return self._score(model, accelerator, self._eval_samples, limit)

    def evaluate_final(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, Any]:
        """Score whole images of the final split."""
        return self._score(model, accelerator, self._final_samples)

    def pictures(self, model: PreTrainedModel) -> dict[str, Image.Image]:
        """Draw a few images of the evaluation split."""
        strips = {}
        for number in range(min(self.arguments.evaluation.pictures, len(self._eval_samples))):
            sample = self._eval_samples[number]
            predicted = self._inference.predict(model, sample["image"], f"image {sample['id']}")
            strips[f"{number}"] = self.strip(sample, predicted)
        return strips

    @property
    def final_split(self) -> str:
        """The split that the results file is about."""
        return self.arguments.evaluation.final_split or self.spec.test_split

    @property
    def protocol(self) -> dict[str, Any]:
        """How the run scores its images: as its saved processor prepares them."""
        return self._inference.protocol

    @cached_property
    def _inference(self) -> Inference:
        return self.inference(self.processor())

    @cached_property
    def _train_split(self):
        return load_split(self.spec, self.spec.train_split, streaming=self.arguments.data.streaming)

    @cached_property
    def _eval_samples(self) -> Samples:
        return self.samples(self.spec, self.spec.eval_split, self.arguments.data.on_bad)

    @cached_property
    def _final_samples(self) -> Samples:
        return self.samples(self.spec, self.final_split, self.arguments.data.on_bad)

    def _run_scores(self):
        """Make the scores of this run's data."""
        return self.scores(self.spec)

    def _score(
        self, model: PreTrainedModel, accelerator: Accelerator, samples: Samples, limit: int | None = None
    ) -> dict[str, Any]:
        """Score images, shared out over the ranks."""
        return score_model(
            model, samples, self._inference, self._run_scores(), limit=limit, **share_of(accelerator)
        )
