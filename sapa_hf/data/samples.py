"""Rows of a data set as checked samples, the same ones whatever the order of workers, ranks and resumes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

import datasets
import numpy as np
import torch

from .boxes import read_boxes
from .composition import compose, read_parts
from .decode import BadSampleError, decode_alpha, decode_depth, decode_image, decode_mask, decode_trimap
from .labels import check_labels, reduce_labels
from .spec import DatasetSpec

logger = logging.getLogger(__name__)

Target = Literal["labels", "depth", "alpha", "boxes"]
OnBad = Literal["raise", "skip"]
Transform = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


class Samples(torch.utils.data.Dataset):
    """A map-style data set of checked samples.

    `samples[index]` or `samples[(index, epoch)]` gives a dict of id, image (H, W, 3) uint8, labels (H, W) and
    skipped; with a transform, of id, pixel_values (3, h, w) float32, labels (h, w) and skipped. `labels` are
    classes (uint8, int64 after a transform), with target="depth" metres (float32), or with target="alpha"
    mattes (uint8), where compositions are known (H, W, 7) with foreground and background; the image then has
    its trimap as fourth channel, where there is one. With target="boxes" they are (n, 7), see `read_boxes`; a
    transform makes of them (n, 5) and keeps the photo's size. `skipped` counts the unreadable rows passed
    over to get here.

    Args:
        dataset: A split from `load_split`.
        spec: The data set's description.
        target: "labels", "depth", "alpha" or "boxes".
        transform: Called as transform(image, labels, rng); rng depends on (seed, epoch, index) only.
        seed: Of the transform's draws.
        on_bad: At an unreadable row, "raise", or "skip" to the next row. Labels that contradict the spec
            always raise: they concern the whole data set.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        spec: DatasetSpec,
        target: Target = "labels",
        transform: Transform | None = None,
        seed: int = 0,
        on_bad: OnBad = "raise",
    ):
        check_choices(spec, target, on_bad)
        self.dataset, self.spec, self.target = dataset, spec, target
        self.transform, self.seed, self.on_bad = transform, seed, on_bad
        self.split = str(dataset.split) if dataset.split is not None else "row"

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        index, epoch = key if isinstance(key, tuple) else (key, 0)
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        rng = np.random.default_rng((self.seed, epoch, index))
        for skipped in range(len(self)):
            row = (index + skipped) % len(self)
            try:
                return make_sample(
                    self.dataset[row],
                    f"{self.split}[{row}]",
                    self.spec,
                    self.target,
                    self.transform,
                    rng,
                    skipped,
                )
            except BadSampleError as error:
                if self.on_bad == "raise":
                    raise
                logger.warning("skipped: %s", error)
        raise ValueError(f"none of the {len(self)} rows of {self.spec.name} can be read")


def make_sample(
    row: dict[str, Any],
    row_name: str,
    spec: DatasetSpec,
    target: Target = "labels",
    transform: Transform | None = None,
    rng: np.random.Generator | None = None,
    skipped: int = 0,
) -> dict[str, Any]:
    """Decode, check and transform one row; errors name it by `row_name` and, where it has one, its id.

    A mask or depth map without an EXIF orientation of its own lies over the photo as it is displayed.
    """
    id_ = str(row[spec.id_column]) if spec.id_column else row_name
    name = f"{row_name} ({id_})" if spec.id_column else row_name
    if spec.foreground_column is None:
        image = decode_image(row[spec.image_column], f"{name}, {spec.image_column}")  # (H, W, 3)
        labels = READERS[target](row, spec, name)  # (H, W)
    else:
        labels = read_parts(row, spec, name)  # (H, W, 7)
        alpha, foreground, background = labels[..., 0], labels[..., 1:4], labels[..., 4:]
        image = foreground if transform else compose(foreground, alpha, background)  # it composes anew
    if target == "alpha" and spec.trimap_column and row[spec.trimap_column] is not None:
        trimap = decode_trimap(row[spec.trimap_column], f"{name}, {spec.trimap_column}")
        image = join_trimap(image, trimap, name)  # (H, W, 4)
    if target != "boxes" and image.shape[:2] != labels.shape[:2]:
        raise BadSampleError(
            f"{name}: the photo is {image.shape[1]}x{image.shape[0]} and its {target} "
            f"{labels.shape[1]}x{labels.shape[0]} (width x height, EXIF orientation applied); they must "
            "agree: store both in one size and orientation"
        )
    if transform is None:
        return {"id": id_, "image": image, "labels": labels, "skipped": skipped}
    pixel_values, labels = transform(image, labels, rng)
    return {"id": id_, "pixel_values": pixel_values, "labels": labels, "skipped": skipped}


def check_choices(spec: DatasetSpec, target: str, on_bad: str) -> None:
    """Raise ValueError where the spec cannot give this target, or a choice is unknown."""
    if on_bad not in ("raise", "skip"):
        raise ValueError(f'on_bad must be "raise" or "skip", got {on_bad!r}')
    if target not in READERS:
        raise ValueError(f"target must be one of {', '.join(READERS)}, got {target!r}")
    if target == "labels" and spec.label_column is None:
        raise ValueError(f"the data set {spec.name!r} names no label_column")
    if target == "depth" and (spec.depth_column is None or spec.depth_scale is None):
        raise ValueError(
            f"the data set {spec.name!r} needs depth_column and depth_scale (metres per stored unit)"
        )
    if target == "alpha" and spec.alpha_column is None:
        raise ValueError(f"the data set {spec.name!r} names no alpha_column")
    if target == "boxes" and spec.objects_column is None:
        raise ValueError(f"the data set {spec.name!r} names no objects_column")


def read_labels(row: dict[str, Any], spec: DatasetSpec, name: str) -> np.ndarray:
    """Decode a row's class map (H, W), reduced where the spec says so, and checked; errors call it `name`."""
    name = f"{name}, {spec.label_column}"
    labels = decode_mask(row[spec.label_column], name)
    if spec.reduce_labels:
        labels = reduce_labels(labels, spec.num_labels, spec.ignore_index, name)
    check_labels(labels, spec.num_labels, spec.ignore_index, name)
    return labels


def read_depth(row: dict[str, Any], spec: DatasetSpec, name: str) -> np.ndarray:
    """Decode a row's depth map (H, W) in metres; errors call it `name`."""
    return decode_depth(row[spec.depth_column], spec.depth_scale, f"{name}, {spec.depth_column}")


def read_alpha(row: dict[str, Any], spec: DatasetSpec, name: str) -> np.ndarray:
    """Decode a row's matte (H, W) uint8; errors call it `name`."""
    return decode_alpha(row[spec.alpha_column], f"{name}, {spec.alpha_column}")


READERS: dict[str, Callable[[dict[str, Any], DatasetSpec, str], np.ndarray]] = {
    "labels": read_labels,
    "depth": read_depth,
    "alpha": read_alpha,
    "boxes": read_boxes,
}


def join_trimap(image: np.ndarray, trimap: np.ndarray, name: str = "image") -> np.ndarray:
    """Lay a trimap (H, W) behind a photo (H, W, 3): (H, W, 4).

    Raises:
        BadSampleError: Their sizes differ; the message calls the photo `name`.
    """
    if image.shape[:2] != trimap.shape:
        raise BadSampleError(
            f"{name}: the trimap must have the photo's size, {image.shape[1]}x{image.shape[0]}, got "
            f"{trimap.shape[1]}x{trimap.shape[0]} (width x height, EXIF orientation applied)"
        )
    return np.dstack([image, trimap])
