"""Configuration of Faster R-CNN with a choice of upsampler."""

from transformers import PretrainedConfig

from .auto_class import offer_to_auto_model
from .upsampler_config import DEFAULTS, UpsamplerConfig

LAYERS = 5  # of a ResNet: the stem and four stages


class SapaFasterRcnnConfig(UpsamplerConfig, PretrainedConfig):
    """torchvision's Faster R-CNN on a ResNet with a feature pyramid, and the upsampler of its three steps.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "nearest" is torchvision's network exactly.
        backbone: Name of a ResNet of torchvision.
        trainable_layers: How many of the ResNet's five layers are trained, last first; three is usual.
        batch_norm_eps: Added to the ResNet's variances. torchvision's COCO_V1 weights want 0.
        shortest_edge: Images are resized to this height or width in pixels, whichever is shorter,
        longest_edge: and shrunk further where the other would be longer than this.
        kwargs: The other `UpsamplerFields`, and everything that `PretrainedConfig` takes. `num_labels` leaves
            out the background.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    model_type = "sapa_faster_rcnn"

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        backbone: str = "resnet50",
        trainable_layers: int = 3,
        batch_norm_eps: float = 1e-5,
        shortest_edge: int = 800,
        longest_edge: int = 1333,
        **kwargs,
    ):
        super().__init__(upsampler=upsampler, **kwargs)
        self.backbone = backbone
        self.trainable_layers = trainable_layers
        self.batch_norm_eps = batch_norm_eps
        self.shortest_edge = shortest_edge
        self.longest_edge = longest_edge
        self._check()
        offer_to_auto_model(self, "modeling_sapa_faster_rcnn.SapaFasterRcnnForObjectDetection")

    def _check(self) -> None:
        if not self.backbone.startswith(("resnet", "resnext", "wide_resnet")):
            raise ValueError(f"backbone must be a ResNet of torchvision, got {self.backbone!r}.")
        if not 0 <= self.trainable_layers <= LAYERS:
            raise ValueError(f"trainable_layers must be from 0 to {LAYERS}, got {self.trainable_layers}.")
        if self.batch_norm_eps < 0:
            raise ValueError(f"batch_norm_eps must not be negative, got {self.batch_norm_eps}.")
        if not 1 <= self.shortest_edge <= self.longest_edge:
            raise ValueError(
                "shortest_edge must be from 1 to longest_edge, got "
                f"{self.shortest_edge} and {self.longest_edge}."
            )


__all__ = ["SapaFasterRcnnConfig"]
