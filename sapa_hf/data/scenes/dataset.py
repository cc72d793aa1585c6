"""The data set of rendered rooms: its description, its rows, and their place in `datasets`' cache."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from ..spec import DatasetSpec
from . import finishes, raycast, rooms, solids, textures

SPLITS = ("train", "validation", "test")
BLOCK = 16  # rooms a shard of the streaming form

# options: rooms in the training split, rooms in each other split, size as a side or (height, width), seed
SCENES = DatasetSpec(
    name="scenes",
    id_column="id",
    id2label=dict(enumerate(rooms.CLASSES)),
    depth_column="depth_map",
    depth_scale=1.0,
    options={"count": 400, "eval_count": 50, "size": 128, "seed": 0},
)
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "image": datasets.Image(decode=False),
        "annotation": datasets.Image(decode=False),
        "depth_map": datasets.Image(decode=False),
    }
)


def load_scenes(spec: DatasetSpec, split: str, streaming: bool = False):
    """Render a split into `datasets`' cache, or as it is read; a room depends on (seed, split, number)."""
    if split not in SPLITS:
        raise ValueError(f'Unknown split "{split}". Should be one of {list(SPLITS)}.')
    unknown = sorted(set(spec.options) - set(SCENES.options))
    if unknown:
        raise ValueError(
            f"scenes has no option {', '.join(unknown)}: the options are {', '.join(SCENES.options)}"
        )
    options = {**SCENES.options, **spec.options}
    count = int(options["count"] if split == "train" else options["eval_count"])
    size = options["size"]
    height, width = (int(size), int(size)) if np.isscalar(size) else map(int, size)
    if count < 1 or min(height, width) < 1:
        raise ValueError(
            f"scenes needs at least one room and one pixel, got count {count} and size {height}x{width}"
        )
    arguments = {
        "split": split,
        "blocks": [(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)],
        "shape": (height, width),
        "seed": int(options["seed"]),
    }
    if streaming:
        return datasets.IterableDataset.from_generator(
            rows, features=FEATURES, gen_kwargs=arguments, split=datasets.NamedSplit(split)
        )
    arguments["source"] = _source_hash()
    return datasets.Dataset.from_generator(
        rows, features=FEATURES, gen_kwargs=arguments, split=datasets.NamedSplit(split)
    )


def rows(
    split: str, blocks: list[tuple[int, int]], shape: tuple[int, int], seed: int, source: str = ""
) -> Iterator[dict[str, Any]]:
    """Render rooms as encoded rows: PNG photo, PNG classes, float TIFF of metres.

    Args:
        split: One of SPLITS.
        blocks: Ranges of room numbers.
        shape: (height, width).
        seed: Of the whole data set.
        source: Not read; makes the cache notice that the rendering has changed.
    """
    for start, stop in blocks:
        for number in range(start, stop):
            rng = np.random.default_rng((seed, SPLITS.index(split), number))
            image, labels, depth = raycast.render(*rooms.random_room(rng), *shape, rng)
            yield {
                "id": f"{split}_{number:05d}",
                "image": {"bytes": _encoded(image, "PNG"), "path": None},
                "annotation": {"bytes": _encoded(labels, "PNG"), "path": None},
                "depth_map": {"bytes": _encoded(depth, "TIFF"), "path": None},
            }


def _encoded(array: np.ndarray, form: str) -> bytes:
    """Encode an array as an image file."""
    buffer = io.BytesIO()
    options = {"compress_level": 1} if form == "PNG" else {}
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def _source_hash() -> str:
    """Digest of the code that draws the rooms."""
    modules = (finishes, raycast, rooms, solids, textures)
    return hashlib.sha256(b"".join(Path(module.__file__).read_bytes() for module in modules)).hexdigest()
