"""The matting recipe's transform: a foreground turned, recoloured and composed anew, and a random trimap.

The steps and ranges are those of A2U (Dai et al., CVPR 2021). Two things are left out: A2U now and then lays
two foregrounds over each other, or enlarges one. Colours change as in segmentation, see `distort`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from .composition import compose
from .photometric import distort
from .transforms import IMAGENET_MEAN, IMAGENET_STD, normalization_table, normalize
from .trimap import make_trimap

TRIMAP_LEVELS = 255  # a trimap enters the network as a share of this


class MattingTransform:
    """Turn a photo and its matte into a training crop around an unknown pixel.

    Where foreground and background are known, only the foreground is turned and recoloured, and then laid
    over the background. Else it is the photo as a whole. What a turned photo lacks at its edges is mirrored;
    a turned foreground has nothing there.

    Args:
        crop_size: (height, width) in pixels.
        rotation: Largest angle either way, degrees.
        zoom: Range of the factor on the size.
        shear: Largest angle either way, degrees.
        flip: Probability of a left-right flip.
        photometric: Whether to change brightness, contrast, saturation and hue.
        trimap: Range of the width, in pixels, that the certain regions lose at their borders.
        mean: Per channel, of values in 0..1.
        std: Per channel, of values in 0..1.

    Raises:
        ValueError: An argument makes no sense.
    """

    def __init__(
        self,
        crop_size: Sequence[int] = (512, 512),
        rotation: float = 30.0,
        zoom: Sequence[float] = (0.8, 1.25),
        shear: float = 10.0,
        flip: float = 0.5,
        photometric: bool = True,
        trimap: Sequence[int] = (1, 29),
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ):
        if len(crop_size) != 2 or min(crop_size) < 1:
            raise ValueError(f"crop_size must be (height, width) in pixels, got {crop_size}")
        if not 0 <= rotation <= 180 or not 0 <= shear < 90 or not 0 <= flip <= 1:
            raise ValueError(
                "rotation must lie in 0..180 degrees, shear in 0..90 and flip in 0..1, got "
                f"{rotation}, {shear} and {flip}"
            )
        for name, bounds in (("zoom", zoom), ("trimap", trimap)):
            if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"{name} must be (least, greatest) with 0 < least <= greatest, got {bounds}")
        self.crop_size, self.rotation, self.zoom, self.shear = tuple(crop_size), rotation, zoom, shear
        self.flip, self.photometric, self.trimap = flip, photometric, trimap
        self.table = normalization_table(mean, std)

    def __call__(
        self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make a crop.

        Args:
            image: (H, W, 3 or 4) uint8, read where the labels are a matte alone; never a trimap behind it.
            labels: Matte (H, W) uint8, or matte, foreground and background (H, W, 7).
            rng: Decides all that is random.

        Returns:
            Normalised photo and trimap (4, h, w) float32, and the labels (h, w) or (7, h, w) float32 in 0..1.
        """
        alpha = labels if labels.ndim == 2 else labels[..., 0]
        centre = self._centre(alpha, rng)
        moved, straight = self._places(centre, self._matrix(rng)), self._places(centre, np.eye(2))
        if labels.ndim == 2:
            alpha = _read(labels, moved)
            photo, crop = self._recoloured(_read(image[..., :3], moved), rng), alpha[None]
        else:
            alpha = np.where(_inside(moved, labels.shape), _read(alpha, moved), 0).astype(np.uint8)
            foreground = self._recoloured(_read(labels[..., 1:4], moved), rng)
            background = _read(labels[..., 4:], straight)
            photo = compose(foreground, alpha, background)
            crop = np.concatenate([alpha[None], *(x.transpose(2, 0, 1) for x in (foreground, background))])
        widths = rng.integers(self.trimap[0], self.trimap[1], size=2, endpoint=True)
        pixels = np.empty((4, *self.crop_size), np.float32)
        normalize(photo, self.table, out=pixels[:3])
        pixels[3] = make_trimap(alpha, *widths).astype(np.float32) / TRIMAP_LEVELS
        target = crop.astype(np.float32) / 255
        return pixels, target[0] if labels.ndim == 2 else target

    def _centre(self, alpha: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
        """Choose a pixel that is neither background nor foreground, or any where there is none."""
        between = np.flatnonzero((alpha > 0) & (alpha < 255))
        place = int(between[rng.integers(len(between))]) if len(between) else int(rng.integers(alpha.size))
        return divmod(place, alpha.shape[1])

    def _matrix(self, rng: np.random.Generator) -> np.ndarray:
        """Draw what leads from a step (rows, columns) in the crop to one in the photo: (2, 2)."""
        turn, lean = (math.radians(rng.uniform(-most, most)) for most in (self.rotation, self.shear))
        mirror = -1.0 if rng.random() < self.flip else 1.0
        rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        return rotation @ np.array([[1.0, 0.0], [math.tan(lean), mirror]]) / rng.uniform(*self.zoom)

    def _places(self, centre: tuple[int, int], matrix: np.ndarray) -> np.ndarray:
        """Give the nearest photo pixel of every pixel of the crop, beyond its edges too: (2, h, w)."""
        height, width = self.crop_size
        steps = np.stack(np.mgrid[:height, :width]).astype(np.float64)
        steps -= np.array([height // 2, width // 2])[:, None, None]
        places = np.einsum("ij,jhw->ihw", matrix, steps) + np.array(centre)[:, None, None]
        return np.rint(places).astype(np.intp)

    def _recoloured(self, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(distort(Image.fromarray(photo), rng)) if self.photometric else photo


def _inside(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Mark the places (2, h, w) that lie on a map: (h, w)."""
    rows, columns = places
    return (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])


def _read(maps: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Read a map (H, W) or (H, W, C) at places (2, h, w); beyond its edges it is mirrored."""
    rows, columns = (_mirrored(index, side) for index, side in zip(places, maps.shape, strict=False))
    return np.ascontiguousarray(maps[rows, columns])


def _mirrored(index: np.ndarray, side: int) -> np.ndarray:
    """Bring indices beyond 0..side-1 back by mirroring, the edge repeated."""
    index = index % (2 * side)
    return np.where(index < side, index, 2 * side - 1 - index)
