"""The matte of a whole photo at its own size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import VitMatteImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.data.transforms import IMAGENET_MEAN, IMAGENET_STD

from ..photo_input import PhotoInput


class WholeMatte(PhotoInput):
    """Predict the matte of a photo that has its trimap as fourth channel; the photo may have any size.

    Args:
        processor: see `PhotoInput`; one that takes trimaps. None for ImageNet's normalisation.

    Raises:
        ValueError: see `PhotoInput`.
    """

    output = "alphas"
    channels = 4

    def __init__(self, processor: BaseImageProcessor | None = None):
        super().__init__(processor or matting_processor())

    @torch.no_grad()
    def predict(self, model: nn.Module, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict how much of every pixel is foreground.

        Args:
            model: a matting model of transformers, in eval mode; not wrapped by DDP.
            image: RGB photo and trimap (H, W, 4), uint8.
            name: what an error calls the photo.

        Returns:
            (H, W) float32 from 0 to 1.

        Raises:
            ValueError: there is no trimap, or the prediction is not finite.
        """
        if image.shape[2] != self.channels:
            raise ValueError(
                f"{name} must have a trimap, got a photo alone: give the data set's trimap_column, or trimaps"
            )
        alpha = self.run(model, self.pixel_values(image), name)[0, 0]  # (h, w); may be padded
        if not torch.isfinite(alpha).all():
            raise ValueError(
                f"{name}: the predicted matte is not finite; the model's weights or precision are at fault"
            )
        height, width = image.shape[:2]
        return alpha[:height, :width].clamp(0, 1).cpu().numpy()

    def _process(self, image: np.ndarray, **options: Any) -> Tensor:
        batch = self.processor(
            images=image[..., :3],
            trimaps=image[..., 3],
            return_tensors="pt",
            input_data_format="channels_last",
            **options,
        )
        return batch["pixel_values"].float()  # (1, 4, h, w)


def matting_processor(
    mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
) -> VitMatteImageProcessorPil:
    """Make transformers' processor of photos with trimaps; our models fill up sizes by themselves."""
    return VitMatteImageProcessorPil(image_mean=mean, image_std=std, do_pad=False)
