"""What the card of a model needs to know about its task and its network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transformers import PretrainedConfig

from sapa_hf.tasks import Architecture, Task, known_architectures


@dataclass(frozen=True)
class Family:
    """The models of one config type on the Hub.

    Attributes:
        task: Theirs.
        architecture: Their network.
    """

    task: type[Task]
    architecture: Architecture

    @property
    def pipeline_tag(self) -> str:
        """The Hub's name of the task."""
        return self.task.name

    @property
    def tags(self) -> tuple[str, ...]:
        """For the Hub's search."""
        return self.architecture.tags

    @property
    def metrics(self) -> Mapping[str, str]:
        """Key in the results file -> how a reader calls it; the first decides."""
        return self.task.card_metrics

    @property
    def percent(self) -> bool:
        """Whether a reader sees the metrics as per cent rather than as they are."""
        return self.task.percent

    def template_text(self) -> str:
        """Read the card template."""
        return self.architecture.card_template()


def families() -> Iterator[Family]:
    """Go through all families."""
    return (Family(task, architecture) for task, architecture in known_architectures())


def family_of(config: PretrainedConfig | Mapping) -> Family:
    """Find the family of a config, or say which there are.

    Raises:
        ValueError: No family has this model_type.
    """
    kind = config.get("model_type") if isinstance(config, Mapping) else config.model_type
    known = {family.architecture.model_type: family for family in families()}
    if kind not in known:
        raise ValueError(
            f"A model of type {kind!r} cannot be published from here; the families are {', '.join(known)}."
        )
    return known[kind]
