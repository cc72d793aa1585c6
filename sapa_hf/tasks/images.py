"""What every task on photos with a target of their size shares: its data set and samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from sapa_hf.data import DatasetSpec, Samples, StreamedSamples, get_spec, load_split, survey_split

from .base import Task
from .fingerprint import data_fingerprint


class ImageTask(Task):
    """A task whose samples are photos with a map of the same size.

    Attributes:
        target: which map, "labels" or "depth".
    """

    target: str

    @cached_property
    def spec(self) -> DatasetSpec:
        """The data set, as the recipe names and overrides it."""
        data = self.arguments.data
        path = {} if data.data_path is None else {"path": data.data_path}
        return get_spec(data.dataset, **path, **data.data_fields)

    @abstractmethod
    def transform(self) -> Callable:
        """Make the recipe's random transform of a training sample."""

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
        data, seed = self.arguments.data, self.arguments.run.seed
        options = {
            "target": self.target,
            "transform": self.transform(),
            "seed": seed,
            "on_bad": data.on_bad,
        }
        if not data.streaming:
            return Samples(self._train_split, self.spec, **options)
        return StreamedSamples(
            self._train_split.shuffle(seed, buffer_size=data.shuffle_buffer),
            self.spec,
            rank=rank,
            world_size=world_size,
            start=start,
            batch_size=self.arguments.optimization.batch_size,
            epochs=None,
            **options,
        )

    @property
    def final_split(self) -> str:
        """The split that the results file is about."""
        return self.arguments.evaluation.final_split or self.spec.test_split

    @cached_property
    def _train_split(self):
        return load_split(self.spec, self.spec.train_split, streaming=self.arguments.data.streaming)

    @cached_property
    def _eval_samples(self) -> Samples:
        return self._whole_images(self.spec.eval_split)

    @cached_property
    def _final_samples(self) -> Samples:
        return self._whole_images(self.final_split)

    def _whole_images(self, split: str) -> Samples:
        """The images of a split as they are."""
        dataset = load_split(self.spec, split)
        return Samples(dataset, self.spec, target=self.target, on_bad=self.arguments.data.on_bad)
