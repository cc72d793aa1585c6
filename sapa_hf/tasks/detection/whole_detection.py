"""The objects of a whole photo."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from transformers import ViTImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor

from ..photo_input import PhotoInput


class WholeDetection(PhotoInput):
    """Find the objects of a photo of any size; the model resizes it by itself.

    Args:
        processor: see `PhotoInput`; None for values in 0..1.

    Raises:
        ValueError: see `PhotoInput`.
    """

    output = "detections"

    def __init__(self, processor: BaseImageProcessor | None = None):
        super().__init__(processor or detection_processor())

    @torch.no_grad()
    def predict(self, model: nn.Module, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Find objects.

        Args:
            model: a detection model of ours, in eval mode; not wrapped by DDP.
            image: RGB photo (H, W, 3), uint8.
            name: what an error calls the photo.

        Returns:
            (n, 6) float32: x1, y1, x2, y2 in the photo's pixels, score and class; best first.

        Raises:
            ValueError: a box or a score is not finite.
        """
        first = next(model.parameters())
        (found,) = model(pixel_values=self.pixel_values(image).to(first.device, first.dtype)).detections
        columns = [found["boxes"], found["scores"][:, None], found["labels"][:, None]]
        boxes = torch.cat([column.float() for column in columns], 1)  # (n, 6)
        if not torch.isfinite(boxes).all():
            raise ValueError(
                f"{name}: a detected box is not finite; the model's weights or precision are at fault"
            )
        return boxes.cpu().numpy()


def detection_processor() -> ViTImageProcessorPil:
    """Make transformers' processor that brings photos to 0..1 and does no more."""
    return ViTImageProcessorPil(do_resize=False, do_normalize=False)
