"""Random label maps for the mean IoU tests, each set drawn from the seed that the golden file names."""

import numpy as np


def make_maps(case):
    """Draw the predictions and references of one case: several sizes, absent classes, ignored pixels."""
    rng = np.random.default_rng(case["seed"])
    num_labels = case["num_labels"]
    classes = rng.permutation(num_labels + 1)[: max(1, num_labels * 2 // 3)]  # the others stay absent
    guesses = rng.permutation(num_labels)[: max(1, num_labels * 2 // 3)]
    predictions, references = [], []
    for _ in range(rng.integers(1, 4)):
        size = tuple(rng.integers(1, 24, 2))
        reference = rng.choice(classes, size)
        prediction = np.where(rng.random(size) < 0.6, reference, rng.choice(guesses, size))
        reference = np.where(rng.random(size) < 0.1, 255, reference)
        prediction = np.where(rng.random(size) < 0.05, 255, prediction)
        predictions.append(prediction.astype(case["dtype"]))
        references.append(reference.astype(case["dtype"]))
    return predictions, references
