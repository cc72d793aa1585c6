"""A look at the labels of a split before training, so that a wrong encoding costs no run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import datasets
import numpy as np

from .decode import BadSampleError
from .samples import READERS, OnBad, Target, check_choices
from .spec import DatasetSpec

logger = logging.getLogger(__name__)

ROWS = 200  # looked at in a split, spread evenly over it
STREAMED_ROWS = 32  # looked at where a split is read as it comes
FEW = 8  # classes named in a message


def survey_split(
    dataset: datasets.Dataset | datasets.IterableDataset,
    spec: DatasetSpec,
    target: Target = "labels",
    *,
    on_bad: OnBad = "raise",
    train: bool = False,
    limit: int | None = None,
    depth_range: tuple[float, float] = (0.0, float("inf")),
) -> None:
    """Look at the labels of up to 200 rows of a split, and say what is wrong with them before they are used.

    Args:
        dataset: The split, from `load_split`; of a stream the first 32 rows are looked at.
        spec: Its description.
        target: "labels", "depth", "alpha" or "boxes".
        on_bad: At an unreadable row, "raise" or "skip" it.
        train: Whether the split is trained on: then each class is expected to occur.
        limit: Only the first rows will be used, this many; None for all.
        depth_range: (nearest, farthest) depth that counts, in metres.

    Raises:
        ValueError: No pixel has a label, a label is not a class, or a training split shows only one class.
    """
    check_choices(spec, target, on_bad)
    counts: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "labels": partial(_label_counts, spec=spec),
        "depth": partial(_depth_counts, depth_range=depth_range),
        "alpha": _alpha_counts,
        "boxes": _box_counts,
    }
    column = {
        "labels": spec.label_column,
        "depth": spec.depth_column,
        "alpha": spec.alpha_column,
        "boxes": spec.objects_column,
    }[target]
    rows, error, found = 0, None, 0
    for name, row in _rows(dataset.select_columns([column]), limit):
        try:
            found = found + counts[target](READERS[target](row, spec, name))
        except BadSampleError as unreadable:
            if on_bad == "raise":
                raise
            error = unreadable
            continue
        rows += 1
    total = None if isinstance(dataset, datasets.IterableDataset) else len(dataset)
    total = total if limit is None or total is None else min(limit, total)
    where = f"the {dataset.split or 'given'} split of {spec.name} ({_rows_text(rows, total)})"
    if not rows:
        raise ValueError(f"{where} has no row whose {target} can be read: {error or 'it is empty'}")
    certain = rows == total
    if target == "labels":
        _judge_labels(found, spec, where, train, certain)
    elif target == "depth":
        _judge_depth(found, depth_range, where, certain)
    elif target == "alpha":
        _judge_alpha(found, where, certain)
    elif certain and not found:
        raise ValueError(f"{where} has no box to learn or measure; check objects_column")


def _rows(dataset, limit: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield some rows with their names."""
    split = dataset.split or "row"
    if isinstance(dataset, datasets.IterableDataset):
        for index, row in enumerate(dataset.take(min(STREAMED_ROWS, limit or STREAMED_ROWS))):
            yield f"{split}[{index}]", row
        return
    count = min(len(dataset), limit or len(dataset))
    for index in np.unique(np.linspace(0, count - 1, num=min(count, ROWS), dtype=int)) if count else ():
        yield f"{split}[{index}]", dataset[int(index)]


def _rows_text(rows: int, total: int | None) -> str:
    return (
        f"all {rows} rows looked at"
        if rows == total
        else f"{rows} of {total or 'its streamed'} rows looked at"
    )


def _label_counts(labels: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    """Count the pixels of each class and, last, the ignored ones: (num_labels + 1,)."""
    ignored = labels == spec.ignore_index
    counts = np.bincount(labels[~ignored].ravel(), minlength=spec.num_labels + 1)
    counts[-1] = ignored.sum()
    return counts


def _depth_counts(depth: np.ndarray, depth_range: tuple[float, float]) -> np.ndarray:
    """Count the measured pixels, those of them within the range, and those beyond it: (3,)."""
    measured = depth[np.isfinite(depth) & (depth > 0)]
    near, far = depth_range
    return np.array([measured.size, ((measured > near) & (measured < far)).sum(), (measured >= far).sum()])


def _alpha_counts(alpha: np.ndarray) -> np.ndarray:
    """Count the pixels of background, and all others: (2,)."""
    return np.array([(alpha == 0).sum(), (alpha > 0).sum()])


def _box_counts(boxes: np.ndarray) -> int:
    return len(boxes)


def _judge_labels(found: np.ndarray, spec: DatasetSpec, where: str, train: bool, certain: bool) -> None:
    """Refuse a split that teaches or measures nothing; warn of classes that do not occur in training."""
    classes, ignored = found[:-1], int(found[-1])
    present, missing = np.flatnonzero(classes), np.flatnonzero(classes == 0)
    percent = 100 * ignored / max(found.sum(), 1)
    share = f"{percent:.0f} % of the pixels have the ignored value {spec.ignore_index}"
    if not present.size:
        text = (
            f"no pixel of {where} has a label: all have the ignored value {spec.ignore_index}; does this "
            "split have labels? Choose another split (data_fields.eval_split, final_split), or set "
            "data_fields.ignore_index to a value that no mask uses"
        )
        if train or certain:
            raise ValueError(text)
        logger.warning("%s", text)
    elif not train or not missing.size:
        return
    elif present.size == 1 and (certain or ignored):
        raise ValueError(
            f"{where} holds only class {_named(present, spec)}, and {share}: {_named(missing, spec)} never "
            f"occurs, so there is nothing to learn. {_encoding_hint(spec, ignored)}"
        )
    else:
        logger.warning(
            "%s holds no pixel of class %s: a class that never occurs is not learnt. %s. %s",
            where,
            _named(missing, spec),
            share,
            _encoding_hint(spec, ignored),
        )


def _encoding_hint(spec: DatasetSpec, ignored: int) -> str:
    """What to check in the masks where classes are missing."""
    if not ignored:
        return f"Masks must hold the numbers 0..{spec.num_labels - 1}, one for each class of id2label"
    if spec.reduce_labels:
        return (
            "reduce_labels ignores the stored 0 and moves every other value down by 1: set it to false "
            "if 0 is a class, or if the masks were reduced before"
        )
    return (
        f"If {spec.ignore_index} stands for a class in your masks, store that class's number "
        f"(0..{spec.num_labels - 1}) in its place; {spec.ignore_index} means ignored"
    )


def _named(classes: np.ndarray, spec: DatasetSpec) -> str:
    """Name a few classes with their numbers."""
    text = ", ".join(f"{c} ({spec.class_names[int(c)]!r})" for c in classes[:FEW])
    return text + (f" and {len(classes) - FEW} more" if len(classes) > FEW else "")


def _judge_depth(found: np.ndarray, depth_range: tuple[float, float], where: str, certain: bool) -> None:
    """Refuse a split without a measurement; warn where most of them lie beyond the farthest depth."""
    measured, counted, beyond = (int(count) for count in found)
    if not counted:
        reason = (
            "no pixel is measured"
            if not measured
            else (f"all measured pixels lie outside {depth_range[0]:g}..{depth_range[1]:g} m")
        )
        text = (
            f"{where} has no depth to use: {reason}; check depth_column, depth_scale, and the range of depth"
        )
        if certain:
            raise ValueError(text)
        logger.warning("%s", text)
    elif beyond > measured / 2:
        logger.warning(
            "%s: %.0f %% of the measured pixels lie beyond %g m and do not count; give a larger max_depth",
            where,
            100 * beyond / measured,
            depth_range[1],
        )


def _judge_alpha(found: np.ndarray, where: str, certain: bool) -> None:
    """Refuse a split that shows nothing but background, or no background."""
    if certain and not found.all():
        raise ValueError(
            f"{where} has no matte to learn or measure: one must show background and something else, from 0 "
            "to 255; check alpha_column"
        )
