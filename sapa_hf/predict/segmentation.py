"""Prediction of classes: a label map and a colour overlay with a legend."""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from ..evaluation import WholeImage, input_format
from ..pictures import legend_for, overlay, palette, with_legend


class SegmentationPredictor:
    """Turn a photo into its class map and a picture of it.

    A predictor of another task has the same methods, `predict` and `pictures`.

    Args:
        model: a semantic segmentation model, in eval mode on its device.
        processor: the image processor saved beside the model: its size and normalisation are the model's own.
        short_side: short side of the photo in the model; as the processor has it (512 without one) unless
            given, 0 for the photo's own size.
        scales: see `WholeImage`, as for flip.
        flip: see `WholeImage`.
        opacity: of the colours in the overlay.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: BaseImageProcessor | None = None,
        short_side: int | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        opacity: float = 0.55,
    ):
        self.model = model
        self.inference = WholeImage(**input_format(processor, short_side), scales=scales, flip=flip)
        self.opacity = opacity
        self.id2label = model.config.id2label
        self.colours = palette(model.config.num_labels)

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
