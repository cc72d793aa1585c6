"""Boundary IoU: equal to the definition carried out class by class, and fast because it is not."""

from pathlib import Path

import evaluate
import numpy as np
import pytest
from safetensors.numpy import load_file

import sapa_hf.metrics
from sapa_hf.metrics import load_metric

FOLDER = Path(sapa_hf.metrics.__file__).parent
GOLDEN = Path(__file__).parents[1] / "golden" / "peers" / "boundary_iou.safetensors"


def erode_once(mask):
    """Erode by a 3x3 square; the outside of the image is not part of the mask."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    eroded = np.ones_like(mask)
    for row in range(3):
        for column in range(3):
            eroded &= padded[row : row + height, column : column + width]
    return eroded


def slow_boundary_iou(predictions, references, num_labels, ignore_index, ratio=0.02):
    """Follow the definition: one binary mask a class, eroded step by step."""
    intersection, union = np.zeros(num_labels), np.zeros(num_labels)
    for prediction, reference in zip(predictions, references, strict=True):
        steps = max(1, round(ratio * (reference.shape[0] ** 2 + reference.shape[1] ** 2) ** 0.5))
        for c in range(num_labels):
            bands = []
            for labels in (prediction, reference):
                mask = eroded = (labels == c) & (reference != ignore_index)
                for _ in range(steps):
                    eroded = erode_once(eroded)
                bands.append(mask & ~eroded)
            intersection[c] += (bands[0] & bands[1]).sum()
            union[c] += (bands[0] | bands[1]).sum()
    with np.errstate(invalid="ignore"):
        return intersection / union


def blobs(rng, size, num_labels, ignore_index=None):
    """Draw a map of rectangles, with some pixels ignored."""
    labels = np.zeros(size, np.int64)
    for _ in range(8):
        top, left = rng.integers(0, size[0]), rng.integers(0, size[1])
        labels[top : top + rng.integers(1, size[0] + 1), left : left + rng.integers(1, size[1] + 1)] = (
            rng.integers(0, num_labels)
        )
    if ignore_index is not None:
        top, left = rng.integers(0, size[0]), rng.integers(0, size[1])
        labels[top : top + 6, left : left + 9] = ignore_index
    return labels


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ratio", [0.02, 0.15])
def test_equals_the_definition_class_by_class(seed, ratio):
    rng = np.random.default_rng(seed)
    sizes = [(1, 1), (5, 40), (33, 27), (64, 64)]
    references = [blobs(rng, size, 5, ignore_index=255) for size in sizes]
    predictions = [blobs(rng, size, 5) for size in sizes]
    metric = load_metric("boundary_iou", dilation_ratio=ratio)
    results = metric.compute(predictions=predictions, references=references, num_labels=6)
    expected = slow_boundary_iou(predictions, references, 6, 255, ratio)
    np.testing.assert_array_equal(results["per_category_boundary_iou"], expected)
    assert results["boundary_iou"] == np.nanmean(expected)


def test_a_perfect_prediction_gets_one_beside_ignored_pixels():
    rng = np.random.default_rng(0)
    reference = blobs(rng, (40, 50), 4, ignore_index=255)
    prediction = np.where(reference == 255, 2, reference)
    results = load_metric("boundary_iou").compute(
        predictions=[prediction], references=[reference], num_labels=4
    )
    assert results["boundary_iou"] == 1.0


def test_ignored_pixels_never_matter():
    rng = np.random.default_rng(1)
    reference = blobs(rng, (40, 50), 4, ignore_index=255)
    prediction = blobs(rng, (40, 50), 4)
    other = np.where(reference == 255, rng.integers(0, 4, (40, 50)), prediction)
    metric = load_metric("boundary_iou")
    scores = [
        metric.compute(predictions=[p], references=[reference], num_labels=4)["boundary_iou"]
        for p in (prediction, other)
    ]
    assert scores[0] == scores[1] < 1


def test_a_shifted_outline_loses_more_here_than_in_mean_iou():
    reference = np.zeros((200, 200), np.uint8)
    reference[50:150, 50:150] = 1
    prediction = np.roll(reference, 3, axis=1)
    boundary = load_metric("boundary_iou").compute(
        predictions=[prediction], references=[reference], num_labels=2
    )
    whole = load_metric("mean_iou").compute(
        predictions=[prediction], references=[reference], num_labels=2, ignore_index=255
    )
    assert boundary["per_category_boundary_iou"][1] < 0.7 < 0.9 < whole["per_category_iou"][1]


def test_merged_ranks_equal_one_call():
    rng = np.random.default_rng(2)
    references = [blobs(rng, (30, 20), 300, ignore_index=255) for _ in range(4)]
    predictions = [blobs(rng, (30, 20), 300) for _ in range(4)]
    metric = load_metric("boundary_iou")
    whole = metric.compute(predictions=predictions, references=references, num_labels=300)
    for rank in range(2):
        part = load_metric("boundary_iou")
        part.add_batch(predictions=predictions[rank::2], references=references[rank::2])
        metric.merge(part.histogram)
    merged = metric.compute(num_labels=300)
    for key in whole:
        np.testing.assert_array_equal(merged[key], whole[key])


def test_labels_are_reduced_as_in_mean_iou():
    rng = np.random.default_rng(3)
    reference = blobs(rng, (30, 20), 5)
    reduced = np.where(reference == 0, 255, reference - 1)
    prediction = blobs(rng, (30, 20), 4)
    plain = load_metric("boundary_iou")
    reducing = load_metric("boundary_iou", reduce_labels=True)
    for dtype in (np.uint8, np.int64):
        np.testing.assert_array_equal(
            reducing.compute(predictions=[prediction], references=[reference.astype(dtype)], num_labels=4)[
                "per_category_boundary_iou"
            ],
            plain.compute(predictions=[prediction], references=[reduced.astype(dtype)], num_labels=4)[
                "per_category_boundary_iou"
            ],
        )


@pytest.mark.parametrize("case", range(4))
def test_areas_equal_those_of_the_released_boundary_iou(case):
    golden = load_file(GOLDEN)
    prediction, reference = golden[f"{case}.prediction"], golden[f"{case}.reference"]
    intersection, union = golden[f"{case}.intersection_union"].T
    metric = load_metric("boundary_iou", dilation_ratio=float(golden[f"{case}.ratio"][0]))
    metric.add(prediction=prediction, reference=reference)
    agreed, in_reference, in_prediction = metric.histogram[:, : len(union)]
    np.testing.assert_array_equal(agreed, intersection)
    np.testing.assert_array_equal(in_reference + in_prediction - agreed, union)


def test_a_label_of_num_labels_counts_for_no_class_and_absent_classes_are_nan():
    reference = np.array([[0, 0, 2, 2]])
    results = load_metric("boundary_iou").compute(
        predictions=[np.zeros((1, 4), int)], references=[reference], num_labels=2
    )
    assert results["per_category_boundary_iou"][0] == 0.5
    assert np.isnan(results["per_category_boundary_iou"][1])


@pytest.mark.parametrize("added", ["at once", "in batches", "one by one"])
def test_combines_with_mean_iou_as_any_evaluate_module(added):
    rng = np.random.default_rng(4)
    references = [blobs(rng, (30, 20), 5, ignore_index=255) for _ in range(3)]
    predictions = [blobs(rng, (30, 20), 5) for _ in range(3)]
    options = {"num_labels": 5, "ignore_index": 255, "reduce_labels": False, "nan_to_num": 0}
    combined = evaluate.combine([str(FOLDER / "mean_iou"), str(FOLDER / "boundary_iou")])
    inputs = {"predictions": predictions, "references": references}
    if added == "at once":
        results = combined.compute(**inputs, **options)
    else:
        if added == "in batches":
            combined.add_batch(**inputs)
        else:
            for prediction, reference in zip(predictions, references, strict=True):
                combined.add(prediction=prediction, reference=reference)
        results = combined.compute(**options)
    for name, key in (("mean_iou", "mean_iou"), ("boundary_iou", "boundary_iou")):
        assert results[key] == load_metric(name).compute(**inputs, **options)[key]


def test_options_of_counting_may_come_with_the_images_but_not_after_them():
    rng = np.random.default_rng(5)
    inputs = {"predictions": [blobs(rng, (30, 20), 4)], "references": [blobs(rng, (30, 20), 4)]}
    expected = load_metric("boundary_iou", ignore_index=3).compute(**inputs, num_labels=3)
    metric = load_metric("boundary_iou")
    assert metric.compute(**inputs, num_labels=3, ignore_index=3)["boundary_iou"] == expected["boundary_iou"]
    metric.add_batch(**inputs)
    with pytest.raises(
        ValueError, match=r"counted with .*255.*got \{'ignore_index': 3\}: give the options to"
    ):
        metric.compute(num_labels=3, ignore_index=3)
    assert metric.compute(num_labels=4, ignore_index=255)["boundary_iou"] > 0


def test_misuse_says_what_to_do():
    metric = load_metric("boundary_iou")
    with pytest.raises(ValueError, match="nothing was added"):
        metric.compute(num_labels=2)
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(3, 2\)"):
        metric.add(prediction=np.zeros((2, 2), int), reference=np.zeros((3, 2), int))
    with pytest.raises(TypeError, match="float32"):
        metric.add(prediction=np.zeros((2, 2), np.float32), reference=np.zeros((2, 2), int))
    with pytest.raises(ValueError, match=r"\(3, N\)"):
        metric.merge(np.zeros((2, 256), int))
    with pytest.raises(ValueError, match="ignore_index"):
        load_metric("boundary_iou", ignore_index=-100)
    with pytest.raises(ValueError, match="dilation_ratio"):
        load_metric("boundary_iou", dilation_ratio=0)
