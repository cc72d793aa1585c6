"""Depth of a whole photo at its own size."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import DPTImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.data.transforms import IMAGENET_MEAN, IMAGENET_STD

from ..photo_input import PhotoInput


class WholeDepth(PhotoInput):
    """Predict the depth of every pixel of a photo; the photo may have any size.

    The depth models fill up what their encoder needs by themselves. The predicted depth is resized
    bilinearly to the photo's own size.

    Args:
        processor: see `PhotoInput`; None for ImageNet's normalisation and each photo's own size.
        short_side: see `PhotoInput`, as for max_side.
        max_side: longest side.
        flip: whether to average with the mirrored photo's depth, mirrored back.

    Raises:
        ValueError: see `PhotoInput`.
    """

    output = "predicted_depth"

    def __init__(
        self,
        processor: BaseImageProcessor | None = None,
        short_side: int | None = None,
        max_side: int = 2048,
        flip: bool = False,
    ):
        if processor is None:
            processor = DPTImageProcessorPil(
                do_resize=False, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD
            )
        super().__init__(processor, short_side, max_side)
        self.flip = flip

    @property
    def protocol(self) -> dict[str, Any]:
        """The size of photos in the model, and whether the mirrored one is averaged in."""
        return super().protocol | {"flip": self.flip}

    @torch.no_grad()
    def predict(self, model: nn.Module, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict the depth of a photo.

        Args:
            model: a depth estimation model of transformers, in eval mode; not wrapped by DDP.
            image: RGB photo (H, W, 3), uint8.
            name: what an error calls the photo.

        Returns:
            Metres (H, W), float32.

        Raises:
            ValueError: the prediction is not finite.
        """
        photo = self.enlarged(image)
        pixel_values = self.pixel_values(photo)
        depth = self.run(model, pixel_values, name)  # (1, h, w)
        if self.flip:
            mirrored = self.run(model, pixel_values.flip(-1), name)
            depth = (depth + mirrored.flip(-1)) / 2
        if not torch.isfinite(depth).all():
            raise ValueError(
                f"{name}: the predicted depth is not finite; the model's weights or precision are at fault"
            )
        depth = F.interpolate(depth[None], photo.shape[:2], mode="bilinear", align_corners=False)
        return depth[0, 0, : image.shape[0], : image.shape[1]].cpu().numpy()  # (H, W)
