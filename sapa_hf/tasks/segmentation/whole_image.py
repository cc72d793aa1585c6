"""Segmentation of a whole photo at its own size, in memory that does not grow with the number of classes."""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import SegformerImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor

from ..photo_input import ROUNDED, PhotoInput

MULTIPLE = 32  # at exact multiples every stage of SegFormer's pyramid is exactly twice the next
BAND = 1 << 24  # probabilities made at once where views are averaged


class WholeImage(PhotoInput):
    """Predict the class of every pixel of a photo; the photo may have any size.

    The logits are resized to the size of the photo and the class is decided there. With several scales, or
    with flip, the softmax probabilities of all views are averaged. A model of one label, which transformers
    trains as a sigmoid, tells class 1 from background 0: it is class 1 where the sigmoid is above one half.

    Args:
        processor: see `PhotoInput`; None for ImageNet's normalisation and a short side of 512.
        short_side: see `PhotoInput`, as for max_side and multiple.
        max_side: longest side.
        multiple: of both sides.
        scales: factors on the size; one view each.
        flip: whether to add the mirrored view of every scale.

    Raises:
        ValueError: a scale is not positive, or see `PhotoInput`.
    """

    output = "logits"
    usual = MULTIPLE

    def __init__(
        self,
        processor: BaseImageProcessor | None = None,
        short_side: int | None = None,
        max_side: int = 2048,
        multiple: int | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
    ):
        if not scales or min(scales) <= 0:
            raise ValueError(f"scales must be one or more positive factors, got {scales}")
        super().__init__(processor or segmentation_processor(512), short_side, max_side, multiple)
        self.scales, self.flip = tuple(scales), flip

    @property
    def protocol(self) -> dict[str, Any]:
        """The size of photos in the model, and the views that are averaged."""
        return super().protocol | {"scales": list(self.scales), "flip": self.flip}

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
        photo, views = self.enlarged(image), []
        for scale in self.scales:
            pixel_values = self.pixel_values(photo, scale)
            views.append(self.run(model, pixel_values, name))  # (1, N, h/4, w/4)
            if self.flip:
                views.append(self.run(model, pixel_values.flip(-1), name).flip(-1))
        if not all(torch.isfinite(view).all() for view in views):
            raise ValueError(
                f"{name}: the model's logits are not finite; its weights or its precision are at fault"
            )
        if views[0].shape[1] == 1:  # sigmoid(x) is the second of softmax((0, x))
            views = [F.pad(view, (0, 0, 0, 0, 1, 0)) for view in views]  # (1, 2, h/4, w/4)
        chunk = 1 if views[0].device.type == "cpu" else 32  # classes at once: what fits a core's cache
        labels = decide(views, photo.shape[:2], chunk)[: image.shape[0], : image.shape[1]]  # (H, W)
        return labels.cpu().numpy().astype(np.uint8 if views[0].shape[1] <= 256 else np.int32)


def segmentation_processor(
    short_side: int | None, max_side: int = 2048, multiple: int = MULTIPLE, **fields: Any
) -> SegformerImageProcessorPil:
    """Make SegFormer's processor.

    Args:
        short_side: see `PhotoInput`; None keeps the photo's own size.
        max_side: longest side that short_side may lead to.
        multiple: both sides are rounded up to multiples of this by `PhotoInput`; transformers leaves them.
        fields: others of SegformerImageProcessor.
    """
    if short_side is None:
        return SegformerImageProcessorPil(do_resize=False, **fields)
    size = {"shortest_edge": short_side, "longest_edge": max_side}
    return SegformerImageProcessorPil(size=size, **({ROUNDED: multiple} if multiple > 1 else {}), **fields)


def decide(views: Sequence[Tensor], size: tuple[int, int], chunk: int) -> Tensor:
    """Resize the logits of all views and take each pixel's best class, some classes at a time.

    Args:
        views: logits (1, N, h, w) of the same photo, each of its own h and w.
        size: (height, width) to decide at.
        chunk: classes resized at once, where there is one view.

    Returns:
        Class indices, int32 (height, width); the first of equals.
    """
    if len(views) == 1:
        return _best(_resized(views[0], size, chunk))
    labels = torch.empty(size, dtype=torch.int32, device=views[0].device)
    height = max(1, BAND // (views[0].shape[1] * size[1]))  # rows at once
    for top in range(0, size[0], height):
        rows = torch.arange(top, min(top + height, size[0]), device=labels.device)
        band = (len(rows), size[1])
        resized = (F.interpolate(_rows(view, rows, size[0]), band, mode="bilinear") for view in views)
        scores = reduce(torch.add, (view.softmax(1) for view in resized))  # (1, N, rows, width)
        labels[top : top + height] = _best(iter(scores[0]))
    return labels


def _best(scores: Iterator[Tensor]) -> Tensor:
    """Number the class of the highest score (height, width) at each pixel; the first of equals, int32."""
    best = next(scores).clone()
    labels = torch.zeros_like(best, dtype=torch.int32)
    for number, score in enumerate(scores, 1):  # far quicker than max over a class dimension
        labels.masked_fill_(score > best, number)
        torch.maximum(best, score, out=best)
    return labels


def _rows(logits: Tensor, rows: Tensor, height: int) -> Tensor:
    """Resize logits (1, N, h, w) bilinearly along h to `height` rows, and make only those named."""
    last = logits.shape[2] - 1
    place = ((rows + 0.5) * (logits.shape[2] / height) - 0.5).clamp(min=0)
    above = place.long().clamp(max=last)
    share = (place - above).to(logits.dtype)[:, None]  # (rows, 1)
    return torch.lerp(logits[:, :, above], logits[:, :, (above + 1).clamp(max=last)], share)


def _resized(logits: Tensor, size: tuple[int, int], chunk: int) -> Iterator[Tensor]:
    """Yield each class's logits (height, width), resized bilinearly, `chunk` classes at a time."""
    for part in logits.split(chunk, dim=1):
        yield from F.interpolate(part, size, mode="bilinear", align_corners=False)[0]
