"""Prediction of depth: a PNG in millimetres and a picture with a scale."""

from typing import Any

import numpy as np
from PIL import Image
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.pictures import colourize_depth, depth_range, with_depth_scale

from .whole_depth import WholeDepth

MILLIMETRES = 1000
FARTHEST = 65535  # millimetres that 16 bits hold


class DepthPredictor:
    """Turn a photo into its depth and a picture of it.

    Args:
        model: a depth estimation model, in eval mode on its device.
        processor: the image processor saved beside the model.
        options: see `WholeDepth`.
    """

    def __init__(self, model: PreTrainedModel, processor: BaseImageProcessor | None = None, **options: Any):
        self.model = model
        self.inference = WholeDepth(processor, **options)

    def predict(self, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict the depth (H, W) of a photo (H, W, 3) uint8, in metres; errors call it `name`."""
        return self.inference.predict(self.model, image, name)

    def pictures(self, image: np.ndarray, depth: np.ndarray) -> dict[str, Image.Image]:
        """Draw a prediction.

        Returns:
            "depth": millimetres, mode I;16 (65.535 m at most); "colours": RGB with a scale in metres.
        """
        near, far = depth_range(depth)
        millimetres = np.clip((depth * MILLIMETRES).round(), 0, FARTHEST).astype(np.uint16)
        return {
            "depth": Image.fromarray(millimetres),
            "colours": with_depth_scale(Image.fromarray(colourize_depth(depth, near, far)), near, far),
        }
