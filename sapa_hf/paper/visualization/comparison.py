"""What several upsamplers do to some photos, before anything is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sapa_hf.data import decode_image

from .feature_colours import Channels, check_channels, paint_steps
from .kernel_map import KernelMap, kernel_at
from .points import Point, check_points, default_points
from .step import UpsamplingStep, upsampling_step
from .subject import Subject


@dataclass(frozen=True)
class View:
    """What one model's upsampler does to one photo.

    Attributes:
        feature: Its low-resolution feature in colour, RGB uint8 (H, W, 3).
        upsampled: The same after the upsampling, (H', W', 3).
        source: Photo pixels, in the model, per feature position.
        level: And per output pixel.
        kernels: At each point; None where the operator has no kernels.
    """

    feature: np.ndarray
    upsampled: np.ndarray
    source: int
    level: int
    kernels: tuple[KernelMap | None, ...]


@dataclass(frozen=True)
class PhotoViews:
    """A photo, RGB uint8 (H, W, 3), its points, and each model's view of it."""

    photo: np.ndarray
    points: tuple[Point, ...]
    views: tuple[View, ...]


@dataclass(frozen=True)
class Comparison:
    """Models by caption and score, and what they do to each photo."""

    captions: tuple[str, ...]
    scores: tuple[str, ...]
    photos: tuple[PhotoViews, ...]
    channels: Channels


def compare_upsampling(
    subjects: Sequence[Subject],
    photos,
    points: Sequence[Point] | None = None,
    channels: Channels = "pca",
    level: int = 4,
) -> Comparison:
    """Run models, as `make_subjects` makes them ready, on photos and gather what `draw_upsampling` shows.

    The other arguments are explained there.
    """
    check_channels(channels)
    photos = list(photos) if isinstance(photos, (list, tuple)) else [photos]
    if not subjects or not photos:
        raise ValueError(
            f"at least one model and one photo are needed, got {len(subjects)} and {len(photos)}"
        )
    opened = [_open(photo, f"photo {number}", points) for number, photo in enumerate(photos)]
    steps = [
        [upsampling_step(s.model, s.inference.pixel_values(photo), level) for photo, _ in opened]
        for s in subjects
    ]  # of each model, one a photo
    painted = paint_steps(steps, channels)
    seen = []
    for number, (photo, chosen) in enumerate(opened):
        views = [
            _view(own[number], colours[number], chosen, photo)
            for own, colours in zip(steps, painted, strict=True)
        ]
        seen.append(PhotoViews(photo, chosen, tuple(views)))
    return Comparison(
        tuple(s.caption for s in subjects), tuple(s.score for s in subjects), tuple(seen), channels
    )


def _open(photo, number: str, points: Sequence[Point] | None) -> tuple[np.ndarray, tuple[Point, ...]]:
    """Decode a photo, (H, W, 3) uint8, and choose or check its points."""
    name = str(photo) if isinstance(photo, (str, Path)) else number
    pixels = decode_image(photo, name)
    return pixels, default_points(pixels) if points is None else check_points(points, pixels, name)


def _view(
    step: UpsamplingStep,
    colours: tuple[np.ndarray, np.ndarray],
    points: tuple[Point, ...],
    photo: np.ndarray,
) -> View:
    kernels = tuple(kernel_at(step, point, photo.shape[:2]) for point in points)
    return View(*colours, step.source, step.level, kernels)
