"""Segmentation of a whole photo at its own size, in memory that does not grow with the number of classes."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from transformers.image_processing_utils import BaseImageProcessor

from ..data.transforms import IMAGENET_MEAN, IMAGENET_STD, normalization_table, normalize, resized_size


class WholeImage:
    """Predict the class of every pixel of a photo; the photo may have any size.

    The photo is resized with its ratio kept, then stretched to the next multiples of `multiple`: at exact
    multiples of 32 every stage of the pyramid is exactly twice the next. The logits are resized to the size
    of the photo and the class is decided there. With several scales, or with flip, the softmax
    probabilities of all views are averaged.

    Args:
        short_side: the photo is resized until its short side has this length or the long one `max_side`;
            None keeps its size.
        max_side: longest side allowed when short_side is given.
        multiple: both sides become multiples of this.
        scales: factors on the size; one view each.
        flip: whether to add the mirrored view of every scale.
        mean: per channel, of values in 0..1, as transformers' SegformerImageProcessor has it.
        std: per channel, of values in 0..1.

    Raises:
        ValueError: a size, a multiple or a scale is not positive.
    """

    def __init__(
        self,
        short_side: int | None = 512,
        max_side: int = 2048,
        multiple: int = 32,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ):
        if short_side is not None and not 0 < short_side <= max_side:
            raise ValueError(f"short_side must lie in 1..max_side={max_side}, or be None, got {short_side}")
        if multiple < 1:
            raise ValueError(f"multiple must be at least 1, got {multiple}; SegFormer wants 32")
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be one or more positive factors, got {scales}")
        self.short_side, self.max_side, self.multiple = short_side, max_side, multiple
        self.scales, self.flip = tuple(scales), flip
        self._table = normalization_table(tuple(mean), tuple(std))

    def input_size(self, shape: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
        """Size (height, width) at which a photo (height, width) enters the model."""
        base = (max(shape), min(shape)) if self.short_side is None else (self.max_side, self.short_side)
        height, width = resized_size(shape, base, scale)
        return -(-height // self.multiple) * self.multiple, -(-width // self.multiple) * self.multiple

    def pixel_values(self, image: np.ndarray, scale: float = 1.0) -> Tensor:
        """Resize and normalise a photo (H, W, 3) uint8 to float32 (1, 3, h, w)."""
        height, width = self.input_size(image.shape[:2], scale)
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(normalize(np.asarray(resized), self._table))[None]

    @torch.no_grad()
    def predict(self, model: nn.Module, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict the classes of a photo.

        Args:
            model: a semantic segmentation model of transformers, in eval mode; not wrapped by DDP, whose
                ranks wait for each other even though they hold different numbers of images.
            image: RGB photo (H, W, 3), uint8.
            name: what an error calls the photo.

        Returns:
            Class indices (H, W), uint8 where all fit, else int32.

        Raises:
            ValueError: the logits are not finite.
        """
        device = next(model.parameters()).device
        views = []
        for scale in self.scales:
            pixel_values = self.pixel_values(image, scale).to(device)
            views.append(model(pixel_values=pixel_values).logits.float())  # (1, N, h/4, w/4)
            if self.flip:
                views.append(model(pixel_values=pixel_values.flip(-1)).logits.float().flip(-1))
        if not all(torch.isfinite(view).all() for view in views):
            raise ValueError(
                f"{name}: the model's logits are not finite; its weights or its precision are at fault"
            )
        chunk = 1 if device.type == "cpu" else 32  # classes at once: what fits a core's cache
        labels = decide(views, image.shape[:2], chunk)  # (H, W)
        return labels.cpu().numpy().astype(np.uint8 if views[0].shape[1] <= 256 else np.int32)


def input_format(processor: BaseImageProcessor | None, short_side: int | None = None) -> dict:
    """Read the size and the normalisation that a model was made for out of its processor.

    Args:
        processor: image processor saved beside the model; None for ImageNet's normalisation and a short
            side of 512.
        short_side: takes the place of the processor's size; 0 keeps each photo's own size.

    Returns:
        The arguments short_side, mean and std of `WholeImage`.
    """
    size = dict(processor.size) if processor is not None else {}
    sides = [side for side in size.values() if side]
    chosen = short_side if short_side is not None else min(sides, default=512)
    form = {"short_side": chosen or None, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    if processor is not None and not processor.do_normalize:
        form |= {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    elif processor is not None:
        form |= {"mean": tuple(processor.image_mean), "std": tuple(processor.image_std)}
    return form


def decide(views: Sequence[Tensor], size: tuple[int, int], chunk: int) -> Tensor:
    """Resize the logits of all views and take each pixel's best class, some classes at a time.

    Args:
        views: logits (1, N, h, w) of the same photo, each of its own h and w.
        size: (height, width) to decide at.
        chunk: classes resized at once.

    Returns:
        Class indices, int32 (height, width); the first of equals.
    """
    scores = _resized(views[0], size, chunk) if len(views) == 1 else _probabilities(views, size, chunk)
    best = torch.full(size, -torch.inf, device=views[0].device)
    labels = torch.zeros(size, dtype=torch.int32, device=views[0].device)
    for number, score in enumerate(scores):  # (height, width); far quicker than max over a class dimension
        labels.masked_fill_(score > best, number)
        torch.maximum(best, score, out=best)
    return labels


def _probabilities(views: Sequence[Tensor], size: tuple[int, int], chunk: int) -> Iterator[Tensor]:
    """Yield, class by class, the softmax probabilities (height, width) summed over the views."""
    # Softmax does not feel a shift of all classes, so each position's largest logit is taken off first. The
    # clamp keeps the sum above zero where neighbours are sure of different classes.
    views = [(view - view.amax(1, keepdim=True)).clamp(min=-60) for view in views]
    sums = [sum(logits.exp() for logits in _resized(view, size, chunk)) for view in views]
    for logits in zip(*(_resized(view, size, chunk) for view in views), strict=True):
        yield sum(logit.exp() / total for logit, total in zip(logits, sums, strict=True))


def _resized(logits: Tensor, size: tuple[int, int], chunk: int) -> Iterator[Tensor]:
    """Yield each class's logits (height, width), resized bilinearly, `chunk` classes at a time."""
    for part in logits.split(chunk, dim=1):
        yield from F.interpolate(part, size, mode="bilinear", align_corners=False)[0]
