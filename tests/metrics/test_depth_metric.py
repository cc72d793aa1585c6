"""The depth metric: equal to a plain float64 computation, mergeable, and clear about what it leaves out."""

from pathlib import Path

import evaluate
import numpy as np
import pytest

import sapa_hf.metrics
from sapa_hf.metrics import load_metric
from sapa_hf.metrics.depth.depth import crop_window

LOWER = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog")
KEYS = (*LOWER, "delta1", "delta2", "delta3")


def plain(prediction, truth):
    """The errors of pixels (N,) as the papers write them."""
    ratio = np.maximum(prediction / truth, truth / prediction)
    g = np.log(prediction) - np.log(truth)
    return {
        "abs_rel": np.mean(np.abs(prediction - truth) / truth),
        "sq_rel": np.mean((prediction - truth) ** 2 / truth),
        "rmse": np.sqrt(np.mean((prediction - truth) ** 2)),
        "rmse_log": np.sqrt(np.mean(g**2)),
        "log10": np.mean(np.abs(np.log10(prediction) - np.log10(truth))),
        "silog": 100 * np.std(g),
        "delta1": np.mean(ratio < 1.25),
        "delta2": np.mean(ratio < 1.25**2),
        "delta3": np.mean(ratio < 1.25**3),
    }


def draw(rng, shape=None):
    shape = shape or tuple(rng.integers(5, 40, 2))
    truth = rng.uniform(0.2, 12, shape)
    truth[rng.random(shape) < 0.2] = rng.choice([0.0, np.nan, np.inf, -1.0, 10.0])
    prediction = np.clip(truth, 0.5, 9) * rng.uniform(0.6, 1.6, shape) + 0.01
    prediction[~np.isfinite(truth)] = 3.0
    return np.where(rng.random(shape) < 0.05, 50.0, prediction), truth


@pytest.mark.parametrize("seed", range(20))
def test_equals_a_plain_computation_in_float64(seed):
    rng = np.random.default_rng(seed)
    pairs = [draw(rng) for _ in range(3)]
    valid = []
    for prediction, truth in pairs:
        keep = np.isfinite(truth) & (truth > 1e-3) & (truth < 10)
        valid.append((np.clip(prediction[keep], 1e-3, 10), truth[keep]))
    metric = load_metric("depth")
    inputs = {"predictions": [p for p, _ in pairs], "references": [t for _, t in pairs]}

    per_image = metric.compute(**inputs)
    expected = [plain(*pair) for pair in valid]
    assert tuple(per_image) == KEYS
    for key in KEYS:
        np.testing.assert_allclose(per_image[key], np.mean([image[key] for image in expected]), rtol=1e-10)

    pooled = metric.compute(**inputs, average="pixels")
    expected = plain(*(np.concatenate(part) for part in zip(*valid, strict=True)))
    for key in KEYS:
        np.testing.assert_allclose(pooled[key], expected[key], rtol=1e-10)


def test_crops_scale_with_the_image_and_round_down_at_both_ends():
    assert crop_window("eigen", (480, 640)) == (slice(45, 471), slice(41, 601))
    assert crop_window("eigen", (240, 320)) == (slice(22, 235), slice(20, 300))
    for height, width in (
        (370, 1224),
        (370, 1226),
        (374, 1238),
        (375, 1242),
        (376, 1241),
        (352, 1216),
        (1, 1),
    ):
        published = (
            slice(int(0.40810811 * height), int(0.99189189 * height)),
            slice(int(0.03594771 * width), int(0.96405229 * width)),
        )
        assert crop_window("garg", (height, width)) == published


def test_only_the_crop_counts():
    rng = np.random.default_rng(0)
    prediction, truth = draw(rng, (240, 320))
    inside = np.s_[22:235, 20:300]
    cropped = load_metric("depth", crop="eigen").compute(predictions=[prediction], references=[truth])
    by_hand = load_metric("depth").compute(predictions=[prediction[inside]], references=[truth[inside]])
    assert cropped == by_hand


def test_a_perfect_prediction_has_no_error():
    truth = np.linspace(0.5, 9, 20).reshape(4, 5)
    results = load_metric("depth").compute(predictions=[truth], references=[truth])
    assert [results[key] for key in LOWER] == [0.0] * 6
    assert results["delta1"] == results["delta3"] == 1.0


def test_batches_and_merged_ranks_equal_one_call():
    rng = np.random.default_rng(1)
    predictions, references = zip(*(draw(rng) for _ in range(5)), strict=True)
    metric = load_metric("depth")
    whole = metric.compute(predictions=predictions, references=references)
    ranks = []
    for rank in range(2):
        metric.add_batch(predictions=predictions[rank::2], references=references[rank::2])
        ranks.append(metric.sums)
        metric.compute()  # starts anew
    metric.merge(sum(ranks))
    merged = metric.compute()
    np.testing.assert_allclose([merged[key] for key in KEYS], [whole[key] for key in KEYS], rtol=1e-13)
    assert len(metric) == 0


def test_an_image_without_a_measurement_changes_nothing():
    rng = np.random.default_rng(2)
    prediction, truth = draw(rng)
    metric = load_metric("depth")
    alone = metric.compute(predictions=[prediction], references=[truth])
    hole = np.zeros((4, 4))
    assert metric.compute(predictions=[prediction, hole], references=[truth, hole]) == alone


def test_loads_by_path_as_any_evaluate_module():
    folder = Path(sapa_hf.metrics.__file__).parent / "depth"
    metric = evaluate.load(str(folder), max_depth=80.0, crop="garg")
    metric.add(prediction=np.full((37, 122), 50.0), reference=np.full((37, 122), 25.0))
    assert metric.compute()["abs_rel"] == 1.0


def test_the_range_and_the_crop_may_come_with_the_images():
    rng = np.random.default_rng(3)
    prediction, truth = draw(rng, (48, 64))
    options = {"min_depth": 0.5, "max_depth": 8.0, "crop": "eigen"}
    expected = load_metric("depth", **options).compute(predictions=[prediction], references=[truth])
    metric = load_metric("depth")
    assert metric.compute(predictions=[prediction], references=[truth], **options) == expected
    assert metric.compute(predictions=[prediction], references=[truth]) != expected


@pytest.mark.parametrize(
    ("prediction", "reference", "text"),
    [
        (np.ones((2, 3)), np.ones((2, 2)), r"\(2, 3\).*\(2, 2\)"),
        (np.full((2, 2), np.nan), np.ones((2, 2)), "nan"),
        (np.ones((1, 2, 2)), np.ones((1, 2, 2)), r"\(H, W\)"),
    ],
)
def test_unusable_maps_are_refused_and_leave_nothing_behind(prediction, reference, text):
    metric = load_metric("depth")
    good = np.ones((2, 2))
    with pytest.raises(ValueError, match=text):
        metric.add_batch(predictions=[good, prediction], references=[good, reference])
    assert len(metric) == 0 and not metric.sums.any()


def test_misuse_says_what_to_do():
    metric = load_metric("depth")
    with pytest.raises(ValueError, match="nothing was added"):
        metric.compute()
    with pytest.raises(ValueError, match="metres"):  # millimetres by mistake
        metric.compute(predictions=[np.ones((2, 2))], references=[np.full((2, 2), 2500)])
    with pytest.raises(ValueError, match=r"\(2, 10\)"):
        metric.merge(np.zeros(3))
    with pytest.raises(ValueError, match="eigen"):
        load_metric("depth", crop="center")
    with pytest.raises(ValueError, match="min_depth"):
        load_metric("depth", min_depth=20)
