"""What a data set is: where it lives, which columns hold what, and how its labels and depth are coded."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DatasetSpec:
    """Where a data set lives and how to read its columns.

    Args:
        name: Short name, such as "camvid"; written into results and cards.
        path: Hub id, local folder or local file; None where the pictures are computed ("scenes").
        config_name: The Hub data set's configuration, where it has several.
        revision: Commit or branch of a Hub data set.
        train_split: Split to train on.
        eval_split: Split to evaluate on during training.
        test_split: Split for the final score.
        id_column: Column that names a row; None names rows "<split>[<row>]".
        image_column: Column of the photos.
        label_column: Column of the class maps; None where there are none.
        id2label: Class names by label as the model sees it, that is after `reduce_labels`.
        ignore_index: Label of pixels that count neither in the loss nor in the metrics.
        reduce_labels: True where 0 is stored for "other" and classes start at 1: 0 becomes `ignore_index`,
            every other value drops by 1.
        depth_column: Column of the depth maps; None where there are none.
        depth_scale: Metres per stored unit, such as 0.001 for millimetres.
        alpha_column: Column of the mattes, of 8 bits; None where there are none.
        trimap_column: Column of the trimaps; None where there are none.
        foreground_column: Column of the pictures that are laid over those of `background_column` by their
            mattes; then the photo is that composition, and `image_column` is not read.
        background_column: See `foreground_column`.
        objects_column: Column of the objects: bbox (x, y, width, height in pixels), category, and perhaps
            area and iscrowd; None where there are none.
        frame: (left, top, right, bottom) to train on of a 640 x 480 photo, where photos have a white frame;
            see `DepthTransform`. None keeps all.
        depth_metric: What the benchmark fixes of the depth metric: min_depth, max_depth, crop.
        options: What a procedural data set needs (count, size, seed).
    """

    name: str
    path: str | None = None
    config_name: str | None = None
    revision: str | None = None
    train_split: str = "train"
    eval_split: str = "validation"
    test_split: str = "test"
    id_column: str | None = None
    image_column: str = "image"
    label_column: str | None = "annotation"
    id2label: dict[int, str] | None = None
    ignore_index: int = 255
    reduce_labels: bool = False
    depth_column: str | None = None
    depth_scale: float | None = None
    alpha_column: str | None = None
    trimap_column: str | None = None
    foreground_column: str | None = None
    background_column: str | None = None
    objects_column: str | None = None
    frame: tuple[int, int, int, int] | None = None
    depth_metric: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.id2label is not None:
            object.__setattr__(self, "id2label", _checked_names(self.id2label))
            if 0 <= self.ignore_index < len(self.id2label):
                raise ValueError(
                    f"ignore_index {self.ignore_index} is also a class of {self.name} "
                    f"(0..{len(self.id2label) - 1}): choose a value outside the classes"
                )
        if (self.foreground_column is None) != (self.background_column is None):
            raise ValueError(
                "foreground_column and background_column must be given together, got "
                f"{self.foreground_column!r} and {self.background_column!r}"
            )
        if self.depth_scale is not None and not self.depth_scale > 0:
            raise ValueError(f"depth_scale must be above 0 (metres per stored unit), got {self.depth_scale}")

    @property
    def class_names(self) -> dict[int, str]:
        """Class names by label; ValueError where they are not known."""
        if self.id2label is None:
            self.check_there()
            raise ValueError(
                f"the data set {self.name!r} has no class names: give id2label, "
                'or put an id2label.json ({"0": "name", ...}) into its folder'
            )
        return self.id2label

    @property
    def num_labels(self) -> int:
        """Number of classes; ValueError where the class names are not known."""
        return len(self.class_names)

    def check_there(self) -> None:
        """Refuse the path of a folder that does not exist.

        Raises:
            FileNotFoundError: nothing lies there, and the path cannot be a Hub id either.
        """
        path = Path(self.path or ".").expanduser()
        if path.exists():
            return
        if self.path.startswith((".", "/", "~")) or self.path.count("/") > 1:
            raise FileNotFoundError(f"no data set at {path.absolute()}: give an existing folder or a Hub id")

    @property
    def columns(self) -> list[str]:
        """The columns that are read, in a fixed order."""
        image = self.image_column if self.foreground_column is None else None
        named = (self.id_column, image, self.label_column, self.depth_column, self.alpha_column)
        named += (self.trimap_column, self.foreground_column, self.background_column, self.objects_column)
        return [column for column in named if column is not None]


def with_local_names(spec: DatasetSpec) -> DatasetSpec:
    """Take the class names from the local folder's id2label.json, where there is one."""
    file = Path(spec.path).expanduser() / "id2label.json" if spec.path else None
    if file is None or not file.is_file():
        return spec
    return replace(spec, id2label=read_names(file))


def read_names(file: Path) -> dict[int, str]:
    """Read class names from a JSON file of the form {"0": "wall", "1": "building", ...}."""
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    if not isinstance(names, dict):
        raise ValueError(f'{file} must hold an object {{"0": "name", ...}}, got a {type(names).__name__}')
    return _checked_names(names)


def _checked_names(id2label: Mapping) -> dict[int, str]:
    """Return id2label with whole-number keys 0..n-1 in order, or say what is wrong with it."""
    try:
        names = {int(label): str(name) for label, name in id2label.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"id2label must map labels 0..n-1 to names, got {id2label!r}") from error
    if not names or sorted(names) != list(range(len(names))):
        raise ValueError(f"id2label must have the labels 0..n-1 without a gap, got {sorted(names)}")
    alike: dict[str, list[int]] = {}
    for label, name in sorted(names.items()):
        alike.setdefault(" ".join(unicodedata.normalize("NFKC", name).split()), []).append(label)
    doubled = [f"{labels} are all {name!r}" for name, labels in alike.items() if len(labels) > 1 or not name]
    if doubled:
        raise ValueError(
            f"every class of id2label must have a name of its own, got {'; '.join(doubled)}: rename them, or "
            "results cannot tell them apart"
        )
    return dict(sorted(names.items()))
