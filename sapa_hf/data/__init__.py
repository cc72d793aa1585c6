"""Data sets: their description, loading, decoding, checks, transforms and batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .ade20k import ADE20K
from .alphamatting import ALPHAMATTING
from .camvid import CAMVID
from .coco_detection import COCO_DETECTION
from .collate import collate
from .composition_1k import COMPOSITION_1K
from .custom import CUSTOM
from .decode import (
    BadSampleError,
    decode_alpha,
    decode_depth,
    decode_image,
    decode_mask,
    decode_trimap,
)
from .depth_transform import DepthTransform
from .detection_transform import DetectionTransform
from .labels import check_labels, reduce_labels
from .load import load_split
from .matting_transform import MattingTransform
from .nyu_depth_v2 import NYU_DEPTH_V2
from .samples import OnBad, Samples, Target, join_trimap
from .scenes import SCENES
from .spec import DatasetSpec, with_local_names
from .streaming import StreamedSamples
from .survey import survey_split
from .transforms import SegmentationTransform

SPECS = {
    spec.name: spec
    for spec in (ADE20K, CAMVID, NYU_DEPTH_V2, ALPHAMATTING, COMPOSITION_1K, COCO_DETECTION, SCENES, CUSTOM)
}

__all__ = [
    "SPECS",
    "BadSampleError",
    "DatasetSpec",
    "DepthTransform",
    "DetectionTransform",
    "MattingTransform",
    "OnBad",
    "Samples",
    "SegmentationTransform",
    "StreamedSamples",
    "Target",
    "check_labels",
    "collate",
    "decode_alpha",
    "decode_depth",
    "decode_image",
    "decode_mask",
    "decode_trimap",
    "get_spec",
    "join_trimap",
    "load_split",
    "reduce_labels",
    "survey_split",
]


def get_spec(name: str, **overrides: Any) -> DatasetSpec:
    """Describe a data set by its short name, with any field of DatasetSpec replaced.

    Class names come from `id2label`, else from id2label.json in the local folder, else from the description.
    A new `path` drops the built-in config_name and revision, which belong to the built-in path; `options` are
    merged into the data set's own.
    """
    if name not in SPECS:
        raise ValueError(f"no data set is called {name!r}: choose one of {', '.join(SPECS)}")
    spec = SPECS[name]
    if overrides.get("options"):
        overrides["options"] = {**spec.options, **overrides["options"]}
    unknown = sorted(set(overrides) - set(DatasetSpec.__dataclass_fields__))
    if unknown:
        raise ValueError(
            f"a data set has no field {', '.join(unknown)}: "
            f"the fields are {', '.join(DatasetSpec.__dataclass_fields__)}"
        )
    if "path" in overrides:
        overrides = {"config_name": None, "revision": None, **overrides}
    spec = replace(spec, **overrides)
    return spec if overrides.get("id2label") else with_local_names(spec)
