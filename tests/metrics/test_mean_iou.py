"""The mean IoU metric: equal to the official one bit for bit, and to a slow independent computation."""

import json
import zlib
from pathlib import Path

import evaluate
import numpy as np
import pytest
from mean_iou_cases import make_maps

import sapa_hf.metrics
from sapa_hf.data import decode_mask, get_spec, load_split
from sapa_hf.metrics import load_metric

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "mean_iou.json").read_text())
REAL = json.loads((Path(__file__).parents[1] / "golden" / "mean_iou_real.json").read_text())
OPTIONS = ("num_labels", "ignore_index", "reduce_labels", "nan_to_num", "label_map")


@pytest.fixture
def metric():
    return load_metric("mean_iou")


def options_of(case):
    options = {name: case[name] for name in OPTIONS}
    if options["label_map"] is not None:  # JSON knows only text keys
        options["label_map"] = {int(old): new for old, new in options["label_map"].items()}
    return options


def slow_mean_iou(predictions, references, num_labels, ignore_index, nan_to_num, label_map, reduce_labels):
    """Count pixel by pixel in plain Python."""
    both, label, prediction = [0] * num_labels, [0] * num_labels, [0] * num_labels
    for p_map, r_map in zip(predictions, references, strict=True):
        for p, r in zip(p_map.ravel().tolist(), r_map.ravel().tolist(), strict=True):
            r = (label_map or {}).get(r, r)
            if reduce_labels:
                r = 255 if r in (0, 255) else r - 1
            if r == ignore_index:
                continue
            if r < num_labels:
                label[r] += 1
            if p < num_labels:
                prediction[p] += 1
                both[p] += p == r
    iou = [b / (x + y - b) if x + y else None for b, x, y in zip(both, label, prediction, strict=True)]
    return iou, (sum(both) / sum(label) if sum(label) else None)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"seed{case['seed']}")
def test_results_equal_the_official_ones_bit_for_bit(metric, case):
    predictions, references = make_maps(case)
    drawn = zlib.crc32(b"".join(array.tobytes() for array in predictions + references))
    assert drawn == case["crc32"], "numpy draws other numbers than it did for the golden file"

    results = metric.compute(predictions=predictions, references=references, **options_of(case))

    assert list(results) == list(case["expected"])
    for key, expected in case["expected"].items():
        assert f"{type(results[key]).__name__}:{results[key].dtype}" == GOLDEN["types"][key]
        np.testing.assert_array_equal(results[key], np.array(expected, dtype=np.float64))


@pytest.mark.parametrize("case", GOLDEN["cases"][:20], ids=lambda case: f"seed{case['seed']}")
def test_results_equal_a_count_pixel_by_pixel(metric, case):
    predictions, references = make_maps(case)
    options = options_of(case) | {"nan_to_num": None}
    iou, accuracy = slow_mean_iou(predictions, references, **options)
    results = metric.compute(predictions=predictions, references=references, **options)
    np.testing.assert_allclose(results["per_category_iou"], np.array(iou, np.float64), rtol=1e-15)
    np.testing.assert_allclose(
        results["overall_accuracy"], np.float64(accuracy if accuracy is not None else "nan")
    )


@pytest.mark.parametrize("case", REAL["cases"], ids=lambda case: case["dataset"])
def test_results_on_real_maps_equal_the_official_ones_bit_for_bit(metric, case, sapa_data):
    dataset = load_split(get_spec(case["dataset"], path=str(sapa_data / case["folder"])), case["split"])
    references = [decode_mask(dataset[row]["annotation"]) for row in range(case["rows"])]
    predictions = []
    for reference in references:
        reduced = np.where(reference == 0, 255, reference - 1) if case["reduce_labels"] else reference
        predictions.append(np.roll(reduced.astype(np.uint8), (5, 7), (0, 1)))
    options = {name: case[name] for name in ("num_labels", "reduce_labels")} | {"ignore_index": 255}
    results = metric.compute(predictions=predictions, references=references, **options)
    for key, expected in case["expected"].items():
        np.testing.assert_array_equal(results[key], np.array(expected, dtype=np.float64))


def test_a_label_of_num_labels_counts_for_no_class_and_absent_classes_are_nan(metric):
    reference = np.array([[0, 0, 2, 2]])  # 2 is no class of two
    prediction = np.array([[0, 1, 0, 2]])
    results = metric.compute(predictions=[prediction], references=[reference], num_labels=2, ignore_index=255)
    assert results["per_category_iou"].tolist() == [1 / 3, 0.0]
    assert results["overall_accuracy"] == 0.5 and np.isnan(results["per_category_accuracy"][1])
    results = metric.compute(predictions=[prediction], references=[reference], num_labels=5, ignore_index=255)
    assert np.isnan(results["per_category_iou"][3:]).all()


def test_loads_by_path_as_any_evaluate_module():
    folder = Path(sapa_hf.metrics.__file__).parent / "mean_iou"
    metric = evaluate.load(str(folder))
    metric.add(prediction=np.array([[0, 1]]), reference=np.array([[0, 0]]))
    assert metric.compute(num_labels=2, ignore_index=255)["mean_iou"] == 0.25


def test_batches_and_merged_ranks_equal_one_call(metric):
    rng = np.random.default_rng(0)
    predictions = [rng.integers(0, 7, (9, 5)) for _ in range(5)]
    references = [rng.integers(0, 7, (9, 5)) for _ in range(5)]
    options = {"num_labels": 7, "ignore_index": 6}
    whole = metric.compute(predictions=predictions, references=references, **options)

    ranks = []
    for rank in range(2):
        metric.add_batch(predictions=predictions[rank::2], references=references[rank::2])
        ranks.append(metric.histogram)
        metric.compute(**options)  # starts anew
    metric.merge(sum(ranks))
    merged = metric.compute(**options)
    for key in whole:
        np.testing.assert_array_equal(merged[key], whole[key])


def test_compute_starts_anew(metric):
    ones = [np.ones((2, 2), np.uint8)]
    metric.compute(predictions=ones, references=[ones[0] * 0], num_labels=2, ignore_index=255)
    assert len(metric) == 0
    assert (
        metric.compute(predictions=ones, references=ones, num_labels=2, ignore_index=255)["mean_iou"] == 1.0
    )


def test_more_than_256_classes_grow_the_histogram(metric):
    labels = np.array([[0, 300], [846, 846]])
    metric.add_batch(predictions=[np.array([[0, 300], [846, 5]])], references=[labels])
    assert metric.histogram.shape == (1024, 1024)
    iou = metric.compute(num_labels=847, ignore_index=65535)["per_category_iou"]
    assert (iou[0], iou[300], iou[846], iou[5]) == (1.0, 1.0, 0.5, 0.0)


def test_memory_does_not_grow_with_images(metric):
    for _ in range(3):
        metric.add(prediction=np.zeros((64, 64), np.uint8), reference=np.zeros((64, 64), np.uint8))
    assert len(metric) == 3
    assert metric.histogram.nbytes == 256 * 256 * 8
    assert metric.writer is None and metric.cache_file_name is None  # evaluate's own store stays unused


@pytest.mark.parametrize(
    ("prediction", "reference", "error", "text"),
    [
        (np.zeros((2, 2)), np.zeros((2, 2), int), TypeError, "float64"),
        (np.zeros((2, 3), int), np.zeros((2, 2), int), ValueError, r"\(2, 3\).*\(2, 2\)"),
        (np.zeros((2, 2), int), np.full((2, 2), -100), ValueError, "-100"),
        (np.zeros((2, 2, 3), int), np.zeros((2, 2, 3), int), ValueError, r"\(H, W\)"),
        (np.full((1, 1), 70000), np.zeros((1, 1), int), ValueError, "70000"),
    ],
)
def test_unusable_maps_are_refused_and_leave_nothing_behind(metric, prediction, reference, error, text):
    good = np.zeros((2, 2), int)
    with pytest.raises(error, match=text):
        metric.add_batch(predictions=[good, prediction], references=[good, reference])
    assert len(metric) == 0 and not metric.histogram.any()


def test_misuse_says_what_to_do(metric):
    with pytest.raises(ValueError, match="nothing was added"):
        metric.compute(num_labels=2, ignore_index=255)
    with pytest.raises(ValueError, match="1 predictions and 2 references"):
        metric.add_batch(predictions=[np.zeros((1, 1), int)], references=[np.zeros((1, 1), int)] * 2)
    with pytest.raises(ValueError, match="square"):
        metric.merge(np.zeros((3, 4), int))
    with pytest.raises(ValueError, match="mean_iou"):
        load_metric("mean_ious")
    with pytest.raises(ValueError, match="merge"):
        load_metric("mean_iou", num_process=2, experiment_id="x")
