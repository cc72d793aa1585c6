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
        percent: Whether a reader sees the metrics as per cent rather than as they are.
    """

    template: str
    pipeline_tag: str
    tags: tuple[str, ...]
    metrics: dict[str, str]
    percent: bool = True

    def template_text(self) -> str:
        """Read the card template."""
        return (files("sapa_hf.model_cards") / self.template).read_text(encoding="utf-8")


DEPTH_METRICS = {
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

# A new family is a template and an entry here, by its config's model_type.
FAMILIES = {
    "sapa_bts": Family(
        template="bts.md",
        pipeline_tag="depth-estimation",
        tags=("depth-estimation", "feature-upsampling", "sapa", "bts", "vision"),
        metrics=DEPTH_METRICS,
        percent=False,
    ),
    "sapa_glpn": Family(
        template="glpn.md",
        pipeline_tag="depth-estimation",
        tags=("depth-estimation", "feature-upsampling", "sapa", "glpn", "vision"),
        metrics=DEPTH_METRICS,
        percent=False,
    ),
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
