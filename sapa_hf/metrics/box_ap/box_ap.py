"""COCO's average precision of boxes, by pycocotools, which COCO's authors wrote."""

import contextlib
import io

import evaluate
import numpy as np

from sapa_hf.metrics.running_metric import RunningMetric, metric_info

_DESCRIPTION = """
Average precision of detected boxes as COCO measures it: the mean over ten overlaps from 0.50 to 0.95, and
over the classes that occur.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: list of arrays (m, 6), one an image: x1, y1, x2, y2 in pixels, score, class.
    references: list of arrays (n, 7): x1, y1, x2, y2, class, area in pixels, whether it is a crowd (1 or 0).
Returns:
    ap, ap50 and ap75 (at overlaps of 0.50 and 0.75), ap_small, ap_medium and ap_large (objects below 32 x 32
    pixels, below 96 x 96, and above), ar (recall with 100 boxes an image): floats; higher is better. None
    where no object has the size.
"""

_CITATION = """
@inproceedings{lin2014microsoft,
title={Microsoft COCO: Common Objects in Context},
author={Lin, Tsung-Yi and Maire, Michael and Belongie, Serge and Hays, James and Perona, Pietro and Ramanan,
Deva and Doll{\\'a}r, Piotr and Zitnick, C. Lawrence}, booktitle={ECCV}, year={2014}}
"""

PLACES = {"ap": 0, "ap50": 1, "ap75": 2, "ap_small": 3, "ap_medium": 4, "ap_large": 5, "ar": 8}
IMPORT_HINT = "average precision needs pycocotools: install sapa-hf[detection]"


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class BoxAp(RunningMetric):
    """Average precision; precision is no sum, so all boxes are kept, some kilobytes an image."""

    def _info(self):
        return metric_info(_DESCRIPTION, _KWARGS_DESCRIPTION, _CITATION)

    def _clear(self):
        self.boxes: list[tuple[np.ndarray, np.ndarray]] = []  # predictions (m, 6), references (n, 7)

    def _is_empty(self):
        return not self.boxes

    def _checked(self, prediction, reference):
        prediction, reference = (np.asarray(boxes, np.float64) for boxes in (prediction, reference))
        for name, boxes, columns in (("prediction", prediction, 6), ("reference", reference, 7)):
            if boxes.ndim != 2 or boxes.shape[1] != columns:
                raise ValueError(f"a {name} must be boxes (n, {columns}), got {boxes.shape}")
            if not np.isfinite(boxes).all():
                raise ValueError(f"a {name} must have finite numbers, got nan or infinity")
        return prediction, reference

    def _count(self, prediction, reference):
        self.boxes.append((prediction, reference))

    def merge(self, boxes: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Add the images of another process, as its `boxes` holds them."""
        self.boxes += [self._checked(*image) for image in boxes]

    def _compute(self) -> dict:
        truths = [truth for number, (_, truths) in enumerate(self.boxes) for truth in _truths(truths, number)]
        if not truths:
            raise ValueError("no reference has a box: there is nothing to find")
        found = np.concatenate([_found(boxes, number) for number, (boxes, _) in enumerate(self.boxes)])
        stats = _coco_stats(len(self.boxes), truths, found)
        return {key: None if stats[place] < 0 else float(stats[place]) for key, place in PLACES.items()}


def _truths(boxes: np.ndarray, image: int) -> list[dict]:
    """Write an image's true boxes (n, 7) as COCO's annotations."""
    return [
        {
            "image_id": image,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "category_id": int(category),
            "area": area,
            "iscrowd": int(crowd),
        }
        for x1, y1, x2, y2, category, area, crowd in boxes.tolist()
    ]


def _found(boxes: np.ndarray, image: int) -> np.ndarray:
    """Write an image's detected boxes (m, 6) as pycocotools' rows: image, x, y, sides, score, class."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    return np.column_stack([np.full(len(boxes), image), boxes[:, :2], sides, boxes[:, 4:]])  # (m, 7)


def _coco_stats(images: int, truths: list[dict], found: np.ndarray) -> np.ndarray:
    """Let pycocotools compute its twelve figures; those without an object are -1."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise ImportError(IMPORT_HINT) from error
    classes = {truth["category_id"] for truth in truths}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(images)],
            "categories": [{"id": number} for number in sorted(classes)],
            "annotations": [truth | {"id": number} for number, truth in enumerate(truths, 1)],
        }
        coco.createIndex()
        results = coco.loadRes(found) if len(found) else _nothing_found(coco, COCO())
        evaluation = COCOeval(coco, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def _nothing_found(coco, results):
    """Give results without a box, which `loadRes` cannot."""
    results.dataset = coco.dataset | {"annotations": []}
    results.createIndex()
    return results
