"""Prediction of classes: a label map and a colour overlay with a legend."""

from typing import Any

import numpy as np
from PIL import Image
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.pictures import legend_for, overlay, palette, with_legend

from .whole_image import WholeImage


class SegmentationPredictor:
    """Turn a photo into its class map and a picture of it.

    Args:
        model: a semantic segmentation model, in eval mode on its device.
        processor: the image processor saved beside the model.
        opacity: of the colours in the overlay.
        options: see `WholeImage`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: BaseImageProcessor | None = None,
        opacity: float = 0.55,
        **options: Any,
    ):
        self.model, self.opacity = model, opacity
        self.inference = WholeImage(processor, **options)
        self.id2label = class_names(model)
        self.colours = palette(len(self.id2label))

    def predict(self, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict the classes (H, W) of a photo (H, W, 3) uint8; errors call it `name`."""
        return self.inference.predict(self.model, image, name)

    def pictures(self, image: np.ndarray, labels: np.ndarray) -> dict[str, Image.Image]:
        """Draw a prediction.

        Returns:
            "labels": class indices, mode L, or I;16 for more than 256 classes; "overlay": RGB with a legend.
        """
        drawn = overlay(image, labels, self.colours, self.opacity)
        stored = labels.astype(np.uint8 if len(self.colours) <= 256 else np.uint16)
        return {
            "labels": Image.fromarray(stored),
            "overlay": with_legend(drawn, legend_for(labels, self.id2label, self.colours)),
        }


def class_names(model: PreTrainedModel) -> dict[int, str]:
    """Name what a model tells apart; one label is told from the background."""
    names = {int(number): name for number, name in (model.config.id2label or {}).items()}
    return {0: "background", 1: names[0]} if len(names) == 1 else names
