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
        chunk = 1 if device.type == "cpu" else 32  # classes at once; measured on 150 classes at 512x683
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
        chunk: classes held at full size at once.

    Returns:
        Class indices, int64 (height, width); the first of equals.
    """
    best = labels = None
    for start, scores in _scores(views, size, chunk):
        value, index = scores.max(0)  # (height, width)
        if best is None:
            best, labels = value, index
            continue
        better = value > best
        labels = torch.where(better, index + start, labels)
        best = torch.where(better, value, best)
    return labels


def _scores(views: Sequence[Tensor], size: tuple[int, int], chunk: int) -> Iterator[tuple[int, Tensor]]:
    """Yield (first class, scores (classes, height, width)): logits of one view, or summed probabilities."""
    if len(views) == 1:
        yield from _resized_chunks(views[0], size, chunk)
        return
    norms = []
    for view in views:  # log of the softmax's denominator at every pixel
        norm = torch.full(size, -torch.inf, device=view.device)
        for _, logits in _resized_chunks(view, size, chunk):
            norm = torch.logaddexp(norm, logits.logsumexp(0))
        norms.append(norm)
    for chunks in zip(*(_resized_chunks(view, size, chunk) for view in views), strict=True):
        total = sum((logits - norm).exp_() for (_, logits), norm in zip(chunks, norms, strict=True))
        yield chunks[0][0], total


def _resized_chunks(logits: Tensor, size: tuple[int, int], chunk: int) -> Iterator[tuple[int, Tensor]]:
    """Yield (first class, logits (classes, height, width)), resized bilinearly, `chunk` classes at a time."""
    for start in range(0, logits.shape[1], chunk):
        part = logits[:, start : start + chunk]
        yield start, F.interpolate(part, size, mode="bilinear", align_corners=False)[0]
