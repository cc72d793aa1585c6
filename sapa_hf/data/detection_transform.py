"""The detection recipe's transform: a photo as it is, or mirrored, with its boxes."""

from __future__ import annotations

import numpy as np


class DetectionTransform:
    """Turn a photo and its boxes into what the model learns from; the model resizes and normalises by itself.

    Crowds, and boxes without an area inside of the photo, are left out, as torchvision's reference does.

    Args:
        flip: Probability of a left-right flip.

    Raises:
        ValueError: It is no probability.
    """

    def __init__(self, flip: float = 0.5):
        if not 0 <= flip <= 1:
            raise ValueError(f"flip must lie in 0..1, got {flip}")
        self.flip = flip

    def __call__(
        self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make a sample.

        Args:
            image: (H, W, 3) uint8.
            labels: (n, 7), see `read_boxes`.
            rng: Decides the flip.

        Returns:
            The photo (3, H, W) float32 in 0..1, and (m, 5) float32: x1, y1, x2, y2 and class.
        """
        height, width = image.shape[:2]
        boxes = labels[labels[:, 6] == 0, :5].astype(np.float32)  # (m, 5)
        boxes[:, :4] = boxes[:, :4].clip(0, np.array([width, height, width, height], np.float32))
        boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
        if rng.random() < self.flip:
            image = image[:, ::-1]
            boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        return np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / 255, boxes
