"""Prediction of objects: the photo with their boxes."""

import numpy as np
from PIL import Image
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.pictures import draw_boxes

from .whole_detection import WholeDetection

LEAST_SCORE = 0.5


class DetectionPredictor:
    """Turn a photo into its objects and a picture of them.

    Args:
        model: a detection model, in eval mode on its device.
        processor: the image processor saved beside the model.
        min_score: boxes of lower score are not drawn.

    Raises:
        ValueError: `min_score` is not in 0..1.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: BaseImageProcessor | None = None,
        min_score: float = LEAST_SCORE,
    ):
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must lie in 0..1, got {min_score}")
        self.model, self.min_score = model, min_score
        self.inference = WholeDetection(processor)
        self.id2label = {int(number): name for number, name in (model.config.id2label or {}).items()}

    def predict(self, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Find the objects (n, 6) of a photo (H, W, 3) uint8; errors call it `name`."""
        return self.inference.predict(self.model, image, name)

    def pictures(self, image: np.ndarray, found: np.ndarray) -> dict[str, Image.Image]:
        """Draw a prediction.

        Returns:
            "boxes": RGB, with the names and scores of what is certain enough.
        """
        shown = found[found[:, 4] >= self.min_score]
        return {"boxes": draw_boxes(image, shown[:, :4], shown[:, 5], self.id2label, shown[:, 4])}
