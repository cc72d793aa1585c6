"""The segmentation recipe's transform: random resize, crop, flip, photometric distortion, normalise, pad.

The recipe is that of NVlabs' SegFormer (Xie et al., NeurIPS 2021), which SAPA's experiments use unchanged:
the same steps, ranges and sizes. The pixels differ in two ways. Photos are resized by Pillow's bilinear
filter, which averages over all covered pixels when a photo shrinks; the original's, OpenCV's, looks at four
and has aliases. Photometric distortion rounds to 8 bits where the original truncates; see photometric.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .photometric import distort

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CROP_TRIES = 10


class SegmentationTransform:
    """Turn a photo and its class map into a training crop.

    Args:
        crop_size: Side of the square crop, or (height, width), in pixels.
        scale: Range of the random factor on `base_size`.
        base_size: (long, short) sides that the photo is resized into, keeping its ratio, before the factor.
        cat_max_ratio: A crop is drawn again, up to 10 times, while one class fills more than this share.
        flip: Probability of a left-right flip.
        photometric: Whether to change brightness, contrast, saturation and hue.
        mean: Per channel, of values in 0..1.
        std: Per channel, of values in 0..1.
        ignore_index: Fills the labels where the photo is smaller than the crop; the image is 0 there.
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        scale: Sequence[float] = (0.5, 2.0),
        base_size: Sequence[int] = (2048, 512),
        cat_max_ratio: float = 0.75,
        flip: float = 0.5,
        photometric: bool = True,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        ignore_index: int = 255,
    ):
        self.crop_size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
        self.scale, self.base_size = tuple(scale), tuple(base_size)
        self.cat_max_ratio, self.flip, self.photometric = cat_max_ratio, flip, photometric
        self.ignore_index = ignore_index
        self.table = normalization_table(mean, std)
        if len(self.crop_size) != 2 or min(self.crop_size) < 1:
            raise ValueError(f"crop_size must be a side or (height, width) in pixels, got {crop_size}")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be (least, greatest) with 0 < least <= greatest, got {scale}")
        if len(self.base_size) != 2 or min(self.base_size) < 1:
            raise ValueError(f"base_size must be (long, short) in pixels, got {base_size}")
        if not 0 < cat_max_ratio <= 1 or not 0 <= flip <= 1:
            raise ValueError(
                f"cat_max_ratio must lie in (0, 1] and flip in [0, 1], got {cat_max_ratio} and {flip}"
            )

    def __call__(
        self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn image (H, W, 3) uint8 and labels (H, W) into a crop, (3, h, w) float32 and (h, w) int64."""
        size = resized_size(labels.shape, self.base_size, rng.uniform(*self.scale))
        box, labels = self._crop(labels, size, rng)
        crop = resize_crop(image, size, box)  # PIL, at most h x w
        if rng.random() < self.flip:
            crop, labels = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT), labels[:, ::-1]
        if self.photometric:
            crop = distort(crop, rng)
        pixels = np.zeros((3, *self.crop_size), np.float32)
        target = np.full(self.crop_size, self.ignore_index, np.int64)
        height, width = labels.shape
        normalize(np.asarray(crop), self.table, out=pixels[:, :height, :width])
        target[:height, :width] = labels
        return pixels, target

    def _crop(
        self, labels: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[tuple[int, int, int, int], np.ndarray]:
        """Draw a crop (top, left, height, width) of the resized photo, with its labels."""
        height, width = min(self.crop_size[0], size[0]), min(self.crop_size[1], size[1])
        for attempt in range(CROP_TRIES + 1):
            top = int(rng.integers(size[0] - height + 1))
            left = int(rng.integers(size[1] - width + 1))
            box = (top, left, height, width)
            cropped = nearest_crop(labels, size, box)
            if self.cat_max_ratio == 1 or attempt == CROP_TRIES:
                break
            if is_varied(cropped, self.cat_max_ratio, self.ignore_index):
                break
        return box, cropped


def resized_size(shape: tuple[int, int], base_size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Size (height, width) of a photo fitted into base_size x factor with its ratio kept."""
    long, short = int(base_size[0] * factor), int(base_size[1] * factor)
    ratio = min(long / max(shape), short / min(shape))
    return max(1, int(shape[0] * ratio + 0.5)), max(1, int(shape[1] * ratio + 0.5))


def resize_crop(image: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Resize a photo bilinearly, computing only the crop: up to rounding, the values of resizing all of it.

    Args:
        image: (H, W, 3) uint8.
        size: (height, width) of the whole resized photo.
        box: (top, left, height, width) of the crop in it.
    """
    top, left, height, width = box
    per_row, per_column = image.shape[0] / size[0], image.shape[1] / size[1]
    source = (
        left * per_column,
        top * per_row,
        min((left + width) * per_column, image.shape[1]),
        min((top + height) * per_row, image.shape[0]),
    )
    return Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=source)


def nearest_crop(labels: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """Resize a map by nearest neighbour, computing only the crop: every value was there before."""
    top, left, height, width = box
    rows = ((np.arange(top, top + height) + 0.5) * labels.shape[0] / size[0]).astype(np.intp)
    columns = ((np.arange(left, left + width) + 0.5) * labels.shape[1] / size[1]).astype(np.intp)
    return labels.take(rows, axis=0).take(columns, axis=1)  # (height, width)


def is_varied(labels: np.ndarray, cat_max_ratio: float, ignore_index: int) -> bool:
    """Whether a crop shows two classes or more, none filling more than cat_max_ratio of its valid pixels."""
    if labels.dtype == np.uint8:
        counts = np.asarray(Image.fromarray(labels).histogram())  # far quicker than np.unique
        if 0 <= ignore_index <= 255:
            counts[ignore_index] = 0
    else:
        counts = np.unique(labels[labels != ignore_index], return_counts=True)[1]
    return np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < cat_max_ratio


def normalization_table(mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Normalised values of the 256 levels, (3, 256) float32, computed as SegformerImageProcessor does."""
    values = (np.arange(256) * (1 / 255)).astype(np.float32)
    return (values - np.asarray(mean, np.float32)[:, None]) / np.asarray(std, np.float32)[:, None]


def normalize(image: np.ndarray, table: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Normalise image (H, W, 3) uint8 to (3, H, W) float32 by a table from `normalization_table`."""
    if out is None:
        out = np.empty((3, *image.shape[:2]), np.float32)
    for channel in range(3):
        out[channel] = table[channel].take(image[..., channel])
    return out
