"""Configuration of SegNet with a choice of upsampler."""

from collections.abc import Sequence

from transformers import PretrainedConfig

from .auto_class import offer_to_auto_model
from .upsampler_config import UpsamplerConfig


class SapaSegNetConfig(UpsamplerConfig, PretrainedConfig):
    """SegNet's encoder and decoder, and the upsampler of its five steps.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "max_unpool" is SegNet as published.
        num_channels: Of the images.
        hidden_sizes: Channels of the five encoder blocks; those of VGG-16.
        depths: Convolutions in each block; those of VGG-16.
        loss_ignore_index: Label of the pixels that are not learnt.
        class_weights: What a pixel of each class counts in the loss; None counts all alike. SegNet's paper
            weights classes by median frequency.
        kwargs: The other `UpsamplerFields`, and everything that `PretrainedConfig` takes.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    model_type = "sapa_segnet"
    pools_by_two = True
    attribute_map = {"semantic_loss_ignore_index": "loss_ignore_index"}

    def __init__(
        self,
        upsampler: str = "max_unpool",
        num_channels: int = 3,
        hidden_sizes: Sequence[int] = (64, 128, 256, 512, 512),
        depths: Sequence[int] = (2, 2, 3, 3, 3),
        loss_ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        **kwargs,
    ):
        super().__init__(upsampler=upsampler, **kwargs)
        self.num_channels = num_channels
        self.hidden_sizes = list(hidden_sizes)
        self.depths = list(depths)
        self.loss_ignore_index = loss_ignore_index
        self.class_weights = None if class_weights is None else list(class_weights)
        self._check()
        offer_to_auto_model(self, "modeling_sapa_segnet.SapaSegNetForSemanticSegmentation")

    def _check(self) -> None:
        if len(self.hidden_sizes) != len(self.depths) or min([*self.hidden_sizes, *self.depths, 1]) < 1:
            raise ValueError(
                "hidden_sizes and depths must have one positive entry for each block, got "
                f"{self.hidden_sizes} and {self.depths}."
            )
        weights, classes = self.class_weights, self.num_labels
        if weights is None:
            return
        if len(weights) != classes or not all(0 <= weight < float("inf") for weight in weights):
            raise ValueError(
                f"class_weights must have a number of at least 0 for each of the {classes} classes, got "
                f"{weights}."
            )


__all__ = ["SapaSegNetConfig"]
