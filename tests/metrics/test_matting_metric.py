"""The matting metric: equal to loops over pixels in float64, with known values by hand, mergeable."""

import math
from collections import deque
from itertools import product

import numpy as np
import pytest

from sapa_hf.metrics import load_metric
from sapa_hf.metrics.matting.errors import connecting_level, gradient_magnitude

KEYS = ("sad", "mse", "grad", "conn")


def gradient(matte):
    """Magnitude by one 9 x 9 filter an axis, as the benchmark writes it, pixel by pixel."""
    stretched = (matte - matte.min()) / (matte.max() - matte.min())
    filters = np.zeros((2, 9, 9))
    for i, j in product(range(9), range(9)):
        y, x = i - 4, j - 4
        bell = math.exp(-(y * y + x * x) / (2 * 1.4**2))
        filters[:, i, j] = -y * bell, -x * bell
    filters /= np.sqrt((filters**2).sum((1, 2), keepdims=True))
    padded, result = np.pad(stretched, 4, mode="edge"), np.zeros(matte.shape)
    for i, j in np.ndindex(matte.shape):
        patch = padded[i : i + 9, j : j + 9]
        result[i, j] = math.hypot(*((filters[axis, ::-1, ::-1] * patch).sum() for axis in (0, 1)))
    return result


def largest(mask):
    """The largest four-connected region, found by walking through it."""
    seen, best = np.zeros(mask.shape, bool), set()
    for j, i in product(range(mask.shape[1]), range(mask.shape[0])):  # down the columns
        if not mask[i, j] or seen[i, j]:
            continue
        region, queue = set(), deque([(i, j)])
        seen[i, j] = True
        while queue:
            y, x = queue.popleft()
            region.add((y, x))
            for row, column in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
                if inside and mask[row, column] and not seen[row, column]:
                    seen[row, column] = True
                    queue.append((row, column))
        best = max(best, region, key=len)
    return best


def levels(prediction, truth):
    result = np.full(truth.shape, -1.0)
    for step in range(1, 11):
        region = largest((prediction >= step / 10) & (truth >= step / 10))
        for place in np.ndindex(truth.shape):
            if result[place] == -1 and place not in region:
                result[place] = (step - 1) / 10
    result[result == -1] = 1
    return result


def plain(prediction, truth, trimap):
    unknown = trimap == 128
    level = levels(prediction, truth)
    phi = [1 - (m - level) * ((m - level) >= 0.15) for m in (prediction, truth)]
    return {
        "sad": np.abs(prediction - truth)[unknown].sum() / 1000,
        "mse": ((prediction - truth) ** 2)[unknown].mean(),
        "grad": ((gradient(prediction) - gradient(truth)) ** 2)[unknown].sum() / 1000,
        "conn": np.abs(phi[0] - phi[1])[unknown].sum() / 1000,
    }


def draw(rng):
    """Two smooth mattes of 8 bits that differ, and a trimap."""
    height, width = rng.integers(14, 24, 2)
    y, x = np.mgrid[:height, :width]
    truth = np.clip(0.5 + 0.6 * np.sin(x / rng.uniform(2, 5)) * np.cos(y / rng.uniform(2, 5)), 0, 1)
    prediction = np.clip(truth + rng.normal(0, 0.15, truth.shape), 0, 1)
    trimap = rng.choice(np.array([0, 128, 128, 255], np.uint8), truth.shape)
    return (prediction * 255).astype(np.uint8), (truth * 255).astype(np.uint8), trimap


@pytest.mark.parametrize("seed", range(6))
def test_equals_loops_over_pixels_in_float64(seed):
    rng = np.random.default_rng(seed)
    images = [draw(rng) for _ in range(2)]
    expected = [plain(p / 255, t / 255, trimap) for p, t, trimap in images]
    predictions, references, trimaps = zip(*images, strict=True)
    found = load_metric("matting").compute(predictions=predictions, references=references, trimaps=trimaps)
    assert tuple(found) == KEYS
    for key in KEYS:
        np.testing.assert_allclose(found[key], np.mean([image[key] for image in expected]), rtol=1e-10)
    as_shares = {"predictions": [p / 255 for p in predictions], "references": [t / 255 for t in references]}
    assert load_metric("matting").compute(**as_shares, trimaps=trimaps) == found


def test_a_flat_matte_and_an_edge_differ_by_the_edge_s_known_gradient():
    """Beside a step from 0 to 1 the filter sees the sum of its slope's one half."""
    edge, flat = np.zeros((9, 20)), np.full((9, 20), 0.4)
    edge[:, 10:] = 1
    offsets = np.arange(1, 5)
    bell = np.exp(-(offsets**2) / (2 * 1.4**2))
    smooth = (1 + 2 * bell.sum()) / math.sqrt(1 + 2 * (bell**2).sum())
    height = smooth * (offsets * bell).sum() / math.sqrt(2 * ((offsets * bell) ** 2).sum())
    np.testing.assert_allclose(gradient_magnitude(edge)[4, 9:11], height)
    assert not gradient_magnitude(flat).any()
    trimap = np.zeros((9, 20), np.uint8)
    trimap[4, 10] = 128
    found = load_metric("matting").compute(predictions=[flat], references=[edge], trimaps=[trimap])
    assert found["grad"] == pytest.approx(height**2 / 1000)
    assert found["sad"] == pytest.approx(0.6 / 1000) and found["mse"] == pytest.approx(0.36)


def test_what_a_gap_cuts_off_is_as_unconnected_in_both_and_only_the_gap_counts():
    truth = np.ones((6, 4))
    prediction = truth.copy()
    prediction[2] = 0  # two rows above, three below
    everywhere = np.full((6, 4), 128, np.uint8)
    level = connecting_level(prediction, truth)
    assert (level[3:] == 1).all() and not level[:3].any()
    found = load_metric("matting").compute(predictions=[prediction], references=[truth], trimaps=[everywhere])
    assert found["conn"] == pytest.approx(4 / 1000)


@pytest.mark.parametrize(
    ("value", "level", "difference"),
    [(0.5, 0.5, 0.5), (0.55, 0.5, 0.5), (0.68, 0.6, 0.4), (153 / 255, 0.6, 0.4), (0.96, 0.9, 0.0)],
)
def test_a_pixel_below_its_neighbours_stays_connected_up_to_the_tenth_it_reaches(value, level, difference):
    """What is less than 0.15 above its level counts as connected: all of it, in either matte."""
    truth = np.ones((3, 5))
    prediction = truth.copy()
    prediction[1, 2] = value
    trimap = np.full((3, 5), 128, np.uint8)
    assert connecting_level(prediction, truth)[1, 2] == pytest.approx(level)
    found = load_metric("matting").compute(predictions=[prediction], references=[truth], trimaps=[trimap])
    assert found["conn"] == pytest.approx(difference / 1000)


def test_of_equal_regions_the_one_of_the_first_column_stays():
    mask = np.zeros((3, 5))
    mask[0, 3:], mask[2, :2] = 1, 1
    assert (connecting_level(mask, mask)[2, :2] == 1).all() and not connecting_level(mask, mask)[0].any()


def test_an_image_without_unknown_pixels_counts_for_nothing():
    rng = np.random.default_rng(0)
    prediction, truth, trimap = draw(rng)
    metric = load_metric("matting")
    alone = metric.compute(predictions=[prediction], references=[truth], trimaps=[trimap])
    known = np.zeros_like(trimap)
    inputs = {"predictions": [prediction] * 2, "references": [truth] * 2, "trimaps": [trimap, known]}
    assert metric.compute(**inputs) == alone
    with pytest.raises(ValueError, match="no trimap has an unknown pixel: those must be 128"):
        metric.compute(predictions=[prediction], references=[truth], trimaps=[known])


def test_batches_and_merged_ranks_equal_one_call():
    images = [draw(np.random.default_rng(seed)) for seed in range(5)]
    predictions, references, trimaps = zip(*images, strict=True)
    metric = load_metric("matting")
    whole = metric.compute(predictions=predictions, references=references, trimaps=trimaps)
    ranks = []
    for rank in range(2):
        for prediction, reference, trimap in images[rank::2]:
            metric.add(prediction=prediction, reference=reference, trimap=trimap)
        ranks.append(metric.sums)
        metric.compute()  # starts anew
    metric.merge(sum(ranks))
    merged = metric.compute()
    np.testing.assert_allclose([merged[key] for key in KEYS], [whole[key] for key in KEYS], rtol=1e-13)
    assert len(metric) == 0
    with pytest.raises(ValueError, match=r"\(5,\)"):
        metric.merge(np.zeros(4))


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"predictions": np.full((2, 2), 1.5)}, ValueError, "must lie in 0 to 1, got values from 1.5"),
        ({"predictions": np.full((2, 2), np.nan)}, ValueError, "must lie in 0 to 1"),
        ({"references": np.ones((2, 2), int)}, TypeError, "of 8 bits or of numbers from 0 to 1"),
        ({"references": np.ones((2, 3))}, ValueError, r"one size, got \(2, 2\), \(2, 3\)"),
        ({"trimaps": np.full((2, 2), 127, np.uint8)}, ValueError, "0 .background., 128 .* got 127"),
    ],
)
def test_unusable_maps_are_refused_and_leave_nothing_behind(changed, error, text):
    metric, good = load_metric("matting"), np.ones((2, 2))
    lists = {"predictions": good, "references": good, "trimaps": np.full((2, 2), 128, np.uint8)}
    with pytest.raises(error, match=text):
        metric.add_batch(**{name: [lists[name], (lists | changed)[name]] for name in lists})
    assert len(metric) == 0 and not metric.sums.any()


def test_a_missing_list_is_named():
    metric, good = load_metric("matting"), np.ones((2, 2))
    with pytest.raises(ValueError, match="predictions, references and trimaps are needed.*got predictions"):
        metric.compute(predictions=[good], references=[good])
    with pytest.raises(ValueError, match="got 1 predictions, 1 references and 0 trimaps"):
        metric.add_batch(predictions=[good], references=[good], trimaps=[])
