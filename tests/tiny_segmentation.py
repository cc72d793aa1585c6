"""A tiny SegFormer and a few drawn samples, for tests of evaluation and prediction."""

import numpy as np
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from sapa_hf.tasks.scoring import score_model
from sapa_hf.tasks.segmentation import SegmentationScores, WholeImage


def tiny_model(num_labels=4):
    torch.manual_seed(0)
    config = SegformerConfig(
        num_labels=num_labels,
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label={c: f"class {c}" for c in range(num_labels)},
        initializer_range=0.5,
    )
    return SegformerForSemanticSegmentation(config).eval()


def tiny_samples(count=5, num_labels=4, ignore_index=255):
    """Draw samples of differing sizes with some ignored pixels."""
    rng = np.random.default_rng(7)
    samples = []
    for index in range(count):
        height, width = rng.integers(20, 60, 2)
        labels = np.kron(rng.integers(0, num_labels, (4, 4)), np.ones((15, 15), int))[:height, :width]
        labels[:3, :5] = ignore_index
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        samples.append({"id": f"drawn[{index}]", "image": image, "labels": labels})
    return samples


def evaluate_segmentation(model, samples, *, num_labels=4, ignore_index=255, share=None, **views):
    """Score a model at the photos' own size, unless the views say otherwise."""
    inference = WholeImage(**{"short_side": 0} | views)
    return score_model(
        model, samples, inference, SegmentationScores(num_labels, ignore_index), **(share or {})
    )
