"""The families of models that can be published, and what their cards need to know."""

from dataclasses import dataclass
from importlib.resources import files

from transformers import PretrainedConfig


@dataclass(frozen=True)
class Family:
    """What the models of one config type have in common on the Hub.

    Attributes:
        template: File in model_cards/.
        pipeline_tag: The Hub's name of the task.
        tags: For the Hub's search.
        metrics: Key in the results file -> how a reader calls it; the first decides.
    """

    template: str
    pipeline_tag: str
    tags: tuple[str, ...]
    metrics: dict[str, str]

    def template_text(self) -> str:
        """Read the card template."""
        return (files("sapa_hf.model_cards") / self.template).read_text(encoding="utf-8")


# A new family is a template and an entry here, by its config's model_type.
FAMILIES = {
    "sapa_segformer": Family(
        template="segformer.md",
        pipeline_tag="image-segmentation",
        tags=("semantic-segmentation", "feature-upsampling", "sapa", "segformer", "vision"),
        metrics={
            "mean_iou": "mean IoU",
            "boundary_iou": "boundary IoU",
            "mean_accuracy": "mean accuracy",
            "overall_accuracy": "pixel accuracy",
        },
    ),
}


def family_of(config: PretrainedConfig | dict) -> Family:
    """Find the family of a config, or say which there are.

    Raises:
        ValueError: No family has this model_type.
    """
    kind = config.get("model_type") if isinstance(config, dict) else config.model_type
    if kind not in FAMILIES:
        raise ValueError(
            f"A model of type {kind!r} cannot be published from here; the families are {', '.join(FAMILIES)}."
        )
    return FAMILIES[kind]
