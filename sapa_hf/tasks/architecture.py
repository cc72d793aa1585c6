"""One network of a task, and one figure of its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from sapa_hf.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from sapa_hf.modeling.segmentation_loss import labelled_weight

NORMALIZATIONS = {  # an encoder's model_type -> mean and std of its photos, where they are not ImageNet's
    "sapa_efficientnet_lite": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class Architecture:
    """A network, and what training and publishing have to know about it.

    Attributes:
        model: its class.
        head: prefixes of the parameters that learn at the head's rate, upsamplers included.
        card: template of its card, a file in model_cards/ or a path of its own.
        tags: for the Hub's search.
        mean: per channel, what its photos are normalised by; values in 0..1.
        std: per channel.
        key_mapping: from the names in an ImageNet checkpoint to its own; see `from_pretrained`.
        encoder: prefix of its encoder, where another can be chosen.
        classifier: prefixes of what has the shape of the classes.
        counts: of segmentation: what its loss is an average over, from labels, the ignored value and weights.
    """

    model: type[PreTrainedModel]
    head: tuple[str, ...]
    card: str | Path
    tags: tuple[str, ...] = ()
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    key_mapping: dict[str, str] | None = None
    encoder: str = "backbone."
    classifier: tuple[str, ...] = ()
    counts: Callable[..., Tensor] = labelled_weight

    def on_encoder(self, kind: str | None) -> Architecture:
        """Fit what is known to another encoder.

        Args:
            kind: the `model_type` of the config's `backbone_config`; None is the network's own encoder.
        """
        if kind is None:
            return self
        mean, std = NORMALIZATIONS.get(kind, (self.mean, self.std))
        known, pattern = self.key_mapping or {}, f"^{kind}."
        mapping = known if pattern in known else {pattern: self.encoder}
        return replace(self, mean=mean, std=std, key_mapping=mapping)

    @property
    def config_class(self) -> type[PretrainedConfig]:
        """The class of the network's config.

        Raises:
            TypeError: the network names none.
        """
        if self.model.config_class is None:
            raise TypeError(f"{self.model.__name__} must have a config_class, got None: name it there")
        return self.model.config_class

    @property
    def model_type(self) -> str:
        """The config's `model_type`."""
        return self.config_class.model_type

    def card_template(self) -> str:
        """Read the template of the card."""
        shipped = files("sapa_hf.model_cards") / str(self.card)
        return (self.card if isinstance(self.card, Path) else shipped).read_text(encoding="utf-8")


class Figure(NamedTuple):
    """A metric as tables and pictures show it.

    Attributes:
        key: its name in the results.
        name: its heading.
        unit: behind the heading, such as "%"; "" for a plain number.
        scale: what it is multiplied by to have that unit.
        digits: digits after the point.
        lower_is_better: True for errors.
    """

    key: str
    name: str
    unit: str = ""
    scale: float = 1
    digits: int = 4
    lower_is_better: bool = False

    @property
    def title(self) -> str:
        """The heading with its unit, such as "mIoU, %"."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    def text(self, value: float | None, digits: int | None = None) -> str:
        """Write a value; one that is not defined is a dash."""
        if value is None or value != value:
            return "-"
        return f"{self.scale * value:.{self.digits if digits is None else digits}f}"
