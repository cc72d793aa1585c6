"""Depth of a whole photo at its own size."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from transformers.image_processing_utils import BaseImageProcessor

from ..data.transforms import IMAGENET_MEAN, IMAGENET_STD, normalization_table, normalize, resized_size


class WholeDepth:
    """Predict the depth of every pixel of a photo; the photo may have any size.

    The photo is resized with its ratio kept; the depth models fill up what their encoder needs by themselves.
    The predicted depth is resized bilinearly to the photo's own size.

    Args:
        short_side: the photo is resized until its short side has this length or the long one `max_side`;
            None keeps its size.
        max_side: longest side allowed when short_side is given.
        flip: whether to average with the mirrored photo's depth, mirrored back.
        mean: per channel, of values in 0..1.
        std: per channel, of values in 0..1.

    Raises:
        ValueError: a size is not positive.
    """

    def __init__(
        self,
        short_side: int | None = None,
        max_side: int = 2048,
        flip: bool = False,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ):
        if short_side is not None and not 0 < short_side <= max_side:
            raise ValueError(f"short_side must lie in 1..max_side={max_side}, or be None, got {short_side}")
        self.short_side, self.max_side, self.flip = short_side, max_side, flip
        self._table = normalization_table(tuple(mean), tuple(std))

    def pixel_values(self, image: np.ndarray) -> Tensor:
        """Resize and normalise a photo (H, W, 3) uint8 to float32 (1, 3, h, w)."""
        if self.short_side is not None:
            height, width = resized_size(image.shape[:2], (self.max_side, self.short_side), 1.0)
            image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        return torch.from_numpy(normalize(image, self._table))[None]

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
        pixel_values = self.pixel_values(image).to(next(model.parameters()).device)
        depth = model(pixel_values=pixel_values).predicted_depth.float()  # (1, h, w)
        if self.flip:
            mirrored = model(pixel_values=pixel_values.flip(-1)).predicted_depth.float()
            depth = (depth + mirrored.flip(-1)) / 2
        if not torch.isfinite(depth).all():
            raise ValueError(
                f"{name}: the predicted depth is not finite; the model's weights or precision are at fault"
            )
        depth = F.interpolate(depth[None], image.shape[:2], mode="bilinear", align_corners=False)
        return depth[0, 0].cpu().numpy()  # (H, W)


def depth_format(processor: BaseImageProcessor | None, short_side: int | None = None) -> dict:
    """Read the size and the normalisation that a depth model was made for out of its processor.

    Args:
        processor: image processor saved beside the model; None for ImageNet's normalisation and each photo's
            own size. GLPN's processor names no size either, and normalises nothing.
        short_side: takes the place of the processor's size; 0 keeps each photo's own size.

    Returns:
        The arguments short_side, mean and std of `WholeDepth`.
    """
    form = {"short_side": short_side or None, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    if processor is None:
        return form
    if short_side is None and processor.do_resize and getattr(processor, "size", None):
        form["short_side"] = min(side for side in dict(processor.size).values() if side)
    if getattr(processor, "do_normalize", None):
        return form | {"mean": tuple(processor.image_mean), "std": tuple(processor.image_std)}
    return form | {"mean": (0.0,) * 3, "std": (1.0,) * 3}
