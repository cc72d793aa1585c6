"""mIoU close to boundaries: scores of the pixels at most so far from where two classes meet."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from sapa_hf.tasks.segmentation import SegmentationScores


def boundary_distance(labels: np.ndarray, ignored: int) -> np.ndarray:
    """Measure how far each pixel is from the nearest edge between two classes.

    Args:
        labels: Class map (H, W).
        ignored: Value of pixels without a class; where a class meets them is no boundary.

    Returns:
        (H, W) pixels: 1 right beside an edge, infinite where the map has none.
    """
    touching = np.zeros(labels.shape, bool)
    valid = labels != ignored
    across = (labels[:, 1:] != labels[:, :-1]) & valid[:, 1:] & valid[:, :-1]
    down = (labels[1:] != labels[:-1]) & valid[1:] & valid[:-1]
    touching[:, 1:] |= across
    touching[:, :-1] |= across
    touching[1:] |= down
    touching[:-1] |= down
    if not touching.any():
        return np.full(labels.shape, np.inf)
    return ndimage.distance_transform_edt(~touching) + 1


class BandScores:
    """Running scores of one model on a data set: of all pixels, and of those close to a boundary.

    Args:
        num_labels: Number of classes.
        ignored: Value of pixels without a class.
        widths: How far the bands reach to either side of a boundary, pixels.
    """

    def __init__(self, num_labels: int, ignored: int, widths: Sequence[int]):
        self.ignored = ignored
        self.scores = {
            width: SegmentationScores(num_labels, ignored) for width in (*map(float, widths), np.inf)
        }

    def add(self, prediction: np.ndarray, labels: np.ndarray, name: str) -> None:
        """Count one photo: class maps (H, W)."""
        distance = boundary_distance(labels, self.ignored)
        for width, scores in self.scores.items():
            near = np.where(distance <= width, labels, self.ignored)
            scores.add(prediction, {"labels": near, "id": name})

    def results(self) -> dict[str, float]:
        """Give the mean IoU of each band, "all" for all pixels."""
        return {
            "all" if np.isinf(width) else f"{width:g}": scores.results()["mean_iou"]
            for width, scores in self.scores.items()
        }
