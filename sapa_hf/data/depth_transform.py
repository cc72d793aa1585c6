"""The depth recipe's transform: frame crop, rotation, flip, colours and random crop, as BTS trains.

The steps and ranges are those of Lee et al., From Big to Small (2019), for NYU Depth V2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .transforms import IMAGENET_MEAN, IMAGENET_STD, nearest_crop, normalize

FRAMED = (640, 480)  # (width, height) of the photo that `frame` is given for
LEVELS = np.arange(256) / 255


class DepthTransform:
    """Turn a photo and its depth into a training crop.

    Depth is only ever moved, never averaged: a hole stays a hole and no depth appears that was not measured.

    Args:
        crop_size: (height, width) in pixels.
        frame: (left, top, right, bottom) to keep of a 640 x 480 photo, scaled to others; None keeps all. NYU
            Depth V2's is in its description, `get_spec("nyu_depth_v2").frame`.
        size: (height, width) that everything is resized to before the crop; None keeps each photo's own.
        rotation: Largest angle either way, degrees.
        flip: Probability of a left-right flip.
        photometric: Probability of changing gamma, brightness and colours, all together.
        gamma: Range of the exponent on values in 0..1.
        brightness: Range of the factor on all channels.
        colour: Range of the factor on each channel by itself.
        mean: Per channel, of values in 0..1.
        std: Per channel, of values in 0..1.

    Raises:
        ValueError: A size, an angle, a probability or a range makes no sense.
    """

    def __init__(
        self,
        crop_size: Sequence[int] = (416, 544),
        frame: Sequence[int] | None = None,
        size: Sequence[int] | None = None,
        rotation: float = 2.5,
        flip: float = 0.5,
        photometric: float = 0.5,
        gamma: Sequence[float] = (0.9, 1.1),
        brightness: Sequence[float] = (0.75, 1.25),
        colour: Sequence[float] = (0.9, 1.1),
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ):
        self.crop_size, self.size = _checked_size("crop_size", crop_size), size
        if size is not None:
            self.size = _checked_size("size", size)
        if frame is not None and not (
            len(frame) == 4 and 0 <= frame[0] < frame[2] <= 640 and 0 <= frame[1] < frame[3] <= 480
        ):
            raise ValueError(
                f"frame must be (left, top, right, bottom) within 640 x 480, or None, got {frame}; it is "
                "scaled to photos of other sizes"
            )
        if not 0 <= rotation <= 180 or not 0 <= flip <= 1 or not 0 <= photometric <= 1:
            raise ValueError(
                "rotation must lie in 0..180 degrees, flip and photometric in 0..1, got "
                f"{rotation}, {flip} and {photometric}"
            )
        for name, bounds in (("gamma", gamma), ("brightness", brightness), ("colour", colour)):
            if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"{name} must be (least, greatest) with 0 < least <= greatest, got {bounds}")
        self.frame, self.rotation, self.flip, self.photometric = frame, rotation, flip, photometric
        self.gamma, self.brightness, self.colour = gamma, brightness, colour
        self.mean, self.std = np.asarray(mean)[:, None], np.asarray(std)[:, None]  # (3, 1)

    def __call__(
        self, image: np.ndarray, depth: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn image (H, W, 3) uint8 and depth (H, W) metres into a crop, (3, h, w) and (h, w) float32."""
        image, depth = self._framed(image, depth)
        if self.rotation:
            image, depth = rotate(image, depth, rng.uniform(-self.rotation, self.rotation))
        if self.size is not None:
            image, depth = resize(image, depth, self.size)
        image, depth = self._cropped(image, depth, rng)
        if rng.random() < self.flip:
            image, depth = image[:, ::-1], depth[:, ::-1]
        pixels = np.zeros((3, *self.crop_size), np.float32)
        target = np.zeros(self.crop_size, np.float32)  # 0: no measurement
        height, width = depth.shape
        normalize(image, self._table(rng), out=pixels[:, :height, :width])
        target[:height, :width] = depth
        return pixels, target

    def _framed(self, image: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut off the frame, rounding inwards."""
        if self.frame is None:
            return image, depth
        left, top, right, bottom = self.frame
        height, width = depth.shape
        window = (
            slice(-(-top * height // FRAMED[1]), bottom * height // FRAMED[1]),
            slice(-(-left * width // FRAMED[0]), right * width // FRAMED[0]),
        )
        return image[window], depth[window]

    def _cropped(
        self, image: np.ndarray, depth: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cut a random window of crop_size, or what there is of it."""
        height, width = (min(a, b) for a, b in zip(self.crop_size, depth.shape, strict=True))
        top = int(rng.integers(depth.shape[0] - height + 1))
        left = int(rng.integers(depth.shape[1] - width + 1))
        window = slice(top, top + height), slice(left, left + width)
        return image[window], depth[window]

    def _table(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the normalised value of each of the 256 levels in each channel: (3, 256) float32."""
        levels = LEVELS[None]
        if rng.random() < self.photometric:
            levels = levels ** rng.uniform(*self.gamma) * rng.uniform(*self.brightness)
            levels = np.clip(levels * rng.uniform(*self.colour, size=(3, 1)), 0, 1)
        return ((levels - self.mean) / self.std).astype(np.float32)


def rotate(image: np.ndarray, depth: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn photo (bilinearly) and depth (by nearest neighbour) about their centre; new corners are 0."""
    turned = Image.fromarray(image).rotate(degrees, Image.Resampling.BILINEAR)
    turned_depth = Image.fromarray(depth.astype(np.float32, copy=False)).rotate(
        degrees, Image.Resampling.NEAREST
    )
    return np.asarray(turned), np.asarray(turned_depth)


def resize(image: np.ndarray, depth: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Resize photo (bilinearly) and depth (by nearest neighbour) to (height, width)."""
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(resized), nearest_crop(depth, size, (0, 0, *size))


def _checked_size(name: str, size: Sequence[int]) -> tuple[int, int]:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"{name} must be (height, width) in pixels, got {size}")
    return int(size[0]), int(size[1])
