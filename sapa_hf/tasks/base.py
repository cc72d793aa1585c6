"""Everything that differs between tasks, and all that the rest of the package asks about one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.data import DatasetSpec, OnBad
from sapa_hf.modeling.upsampler_config import check_config

from .architecture import Architecture, Figure
from .scoring import Inference, Predictor, Scores
from .shares import IndexedSamples
from .table import figures_table

if TYPE_CHECKING:  # training is built upon tasks, not the other way round
    from sapa_hf.training.arguments import Arguments


class Task(ABC):
    """A task: the class describes it, an object of it is the task of one training run.

    Attributes:
        name: the Hub's name for it; recipes, results files and cards say the same.
        auto_classes: transformers' Auto classes of its models; how their class names end names the task too.
        architectures: its networks by the name a recipe uses; the first is the default.
        keys: recipe keys that this task reads and others may not.
        figures: the metrics that studies and captions show; the first decides which weights are the best.
        card_metrics: key in the results -> how a card's reader calls it; the first decides.
        percent: whether cards show the metrics as per cent.
        views: options of `inference` on a command line -> the arguments of argparse's `add_argument`.
        scoring: the same for options of `scores`.
        predicting: the same for options that only `predictor` has.
        channels: of what its models take: a photo's three, or more where a map lies behind it.
    """

    name: ClassVar[str]
    auto_classes: ClassVar[tuple[type, ...]]
    architectures: ClassVar[Mapping[str, Architecture]]
    keys: ClassVar[frozenset[str]] = frozenset()
    figures: ClassVar[tuple[Figure, ...]]
    card_metrics: ClassVar[Mapping[str, str]]
    percent: ClassVar[bool] = False
    views: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    scoring: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    predicting: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    channels: ClassVar[int] = 3

    def __init__(self, arguments: Arguments):
        self.check_settings(arguments)
        self.arguments = arguments
        chosen = arguments.model.architecture or next(iter(self.architectures))
        if chosen not in self.architectures:
            raise ValueError(f"architecture must be one of {', '.join(self.architectures)}, got {chosen!r}")
        encoder = arguments.model.model_config.get("backbone_config") or {}
        if not isinstance(encoder, dict):
            raise ValueError(
                "`model_config.backbone_config` must be a mapping such as {model_type: resnet}, got "
                f"{encoder!r}"
            )
        self.architecture = self.architectures[chosen].on_encoder(encoder.get("model_type"))
        check_config(arguments.model, self.architecture.config_class)

    # A saved model of this task.

    @classmethod
    @abstractmethod
    def inference(cls, processor: BaseImageProcessor | None, **options: Any) -> Inference:
        """Make the inference on whole photos that the saved processor asks for."""

    @classmethod
    @abstractmethod
    def scores(cls, spec: DatasetSpec, **options: Any) -> Scores:
        """Make the running scores of a data set."""

    @classmethod
    def scoring_protocol(cls, spec: DatasetSpec, **options: Any) -> dict[str, Any]:
        """Say what `scores` counts by, for the results file."""
        return {}

    @classmethod
    @abstractmethod
    def predictor(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, **options: Any
    ) -> Predictor:
        """Make what predicts a photo and draws the prediction."""

    @classmethod
    @abstractmethod
    def samples(cls, spec: DatasetSpec, split: str, on_bad: OnBad = "raise") -> IndexedSamples:
        """Open a split of a data set: dicts with id, image (H, W, 3) uint8, labels and skipped."""

    @classmethod  # noqa: B027 (most tasks have nothing to refuse)
    def check_data(
        cls, model: PreTrainedModel, processor: BaseImageProcessor | None, spec: DatasetSpec
    ) -> None:
        """Refuse a data set that a saved model cannot be scored on.

        Raises:
            ValueError: they do not fit, such as in their number of classes.
        """

    @classmethod
    def table(cls, rows: Mapping[str, Mapping[str, Any]]) -> str:
        """Lay out results for a terminal: title of an evaluation -> its metrics."""
        return figures_table(rows, cls.figures)

    @classmethod
    def caption(cls, metrics: Mapping[str, Any]) -> str:
        """Say the main figure in a word or two, such as "mIoU 43.2"; "" where it was not measured."""
        figure = cls.figures[0]
        value = metrics.get(figure.key)
        return "" if value is None else f"{figure.name} {figure.text(value, figure.digits - 1)}"

    # One training run.

    @property
    def best_metric(self) -> str:
        """Key of `evaluate`'s figures that decides which weights are the best."""
        return self.figures[0].key

    @property
    def greater_is_better(self) -> bool:
        """Whether a higher figure is the better one."""
        return not self.figures[0].lower_is_better

    @property
    def head(self) -> tuple[str, ...]:
        """Prefixes of the parameters that learn at the head's rate."""
        return self.architecture.head

    @property
    @abstractmethod
    def spec(self) -> DatasetSpec:
        """The data set of the run."""

    @property
    @abstractmethod
    def final_split(self) -> str:
        """The split that the results file is about."""

    @property
    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """How the run scores its images, for the results file."""

    @classmethod
    def check_settings(cls, arguments: Arguments) -> None:
        """Refuse keys that were given but that only other tasks read.

        Raises:
            ValueError: naming them and the tasks that read them.
        """
        from .registry import TASKS  # which imports this module

        unread = sorted({key for task in TASKS.values() for key in task.keys - cls.keys} & arguments.given)
        if unread:
            readers = {key: [task.name for task in TASKS.values() if key in task.keys] for key in unread}
            apply = [f"`{key}` applies only to {' and '.join(names)}" for key, names in readers.items()]
            raise ValueError(f"{', '.join(apply)}; the task is {cls.name}: leave it out")

    @classmethod
    def check_keys(cls, setting: str, given: Iterable[str], known: Iterable[str]) -> None:
        """Refuse entries that a setting does not have for this task.

        Raises:
            ValueError: naming them and those that it has.
        """
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(
                f"{setting} has no {', '.join(unknown)} for {cls.name}; it has {', '.join(sorted(known))}"
            )

    @abstractmethod
    def prepare(self) -> None:
        """Open all data the run will need, so that a mistake shows before the first step."""

    @abstractmethod
    def build_model(self) -> PreTrainedModel:
        """Make the model, from scratch or from a checkpoint; its forward turns a batch into a loss."""

    @abstractmethod
    def processor(self) -> BaseImageProcessor:
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
    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, Any]:
        """Score the model in the middle of a run; all ranks call this and get the same figures."""

    @abstractmethod
    def evaluate_final(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, Any]:
        """Score the finished model on the final split; all ranks call this."""

    @abstractmethod
    def pictures(self, model: PreTrainedModel) -> dict[str, Image.Image]:
        """Draw a few results; the main process calls this."""
