"""The least that a matting model must beat: one half wherever the trimap is unknown."""

import numpy as np

from sapa_hf.data.decode import UNKNOWN

from ..scoring import score_samples
from ..shares import IndexedSamples
from .scores import MattingScores


def evaluate_half(samples: IndexedSamples) -> dict:
    """Score the prediction of one half for all unknown pixels."""
    return score_samples(samples, half_matte, MattingScores())


def half_matte(sample: dict) -> np.ndarray:
    """Give the matte (H, W) that says no more than the sample's trimap."""
    trimap = sample["image"][..., 3]
    return np.where(trimap == UNKNOWN, 0.5, trimap / 255)
