"""What the training loop asks of a task, and all it knows about one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset
from transformers import PreTrainedModel

from sapa_hf.training.arguments import FIELDS, Arguments
from sapa_hf.training.validation import check_task


class Task(ABC):
    """A task builds the model and the samples, weighs a batch, and scores and draws the result.

    Attributes:
        name: as in the results file.
        best_metric: key of `evaluate`'s figures that decides which weights are the best.
        greater_is_better: whether a higher figure is.
        head: prefixes of the parameters that learn at the head's rate, upsamplers included.
        keys: the settings that this task reads and others may not; see `sapa_hf.training.arguments`.
    """

    name: str
    best_metric: str
    greater_is_better: bool
    head: tuple[str, ...]
    keys: frozenset[str] = frozenset()

    def __init__(self, arguments: Arguments):
        self.check_settings(arguments)
        self.arguments = arguments

    @classmethod
    def check_settings(cls, arguments: Arguments) -> None:
        """Refuse keys that were given but that only other tasks read.

        Raises:
            ValueError: naming them and the tasks that read them.
        """
        from . import TASKS  # not before all tasks are there

        readers = {key: [task.name for task in TASKS.values() if key in task.keys] for key in FIELDS}
        check_task(arguments, cls.name, cls.keys, readers)

    @abstractmethod
    def prepare(self) -> None:
        """Open all data the run will need, so that a mistake shows before the first step."""

    @abstractmethod
    def build_model(self) -> PreTrainedModel:
        """Make the model, from scratch or from a checkpoint; its forward turns a batch into a loss."""

    @abstractmethod
    def processor(self) -> Any:
        """Make transformers' own processor, which is saved beside the model."""

    @abstractmethod
    def train_samples(self, start: int, rank: int, world_size: int) -> Dataset | IterableDataset:
        """Give the training samples: indexed by (index, epoch), or an endless stream of this rank's.

        Only a stream needs the arguments: it begins after the `start` samples that this rank has seen.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Say which data the run trains on, so that a resumed run notices other data."""

    @abstractmethod
    def collate(self, items: list[dict]) -> dict[str, Any]:
        """Join samples to a batch: tensors for the model, `ids`, and `skipped`, the rows replaced."""

    @abstractmethod
    def weight(self, batch: dict) -> Tensor:
        """Give how much a micro-batch counts in its step, such as its valid pixels."""

    @abstractmethod
    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float | list]:
        """Score the model in the middle of a run; all ranks call this and get the same figures."""

    @abstractmethod
    def pictures(self, model: PreTrainedModel) -> dict[str, Image.Image]:
        """Draw a few results; the main process calls this."""

    @abstractmethod
    def report(self, model: PreTrainedModel, accelerator: Accelerator, training: dict, path: Path) -> str:
        """Score the finished model, write the results file and return a table to print.

        All ranks call this. `training` goes into the results file at `path`.
        """
