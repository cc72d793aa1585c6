"""Depth evaluation at the truth's own size, shares over ranks, the trivial predictor, and the pictures."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import DPTImageProcessorPil
from transformers.modeling_outputs import DepthEstimatorOutput

from sapa_hf.data import Samples, get_spec, load_split
from sapa_hf.pictures import colourize_depth, depth_range, with_depth_scale
from sapa_hf.tasks import DepthTask
from sapa_hf.tasks.depth import (
    DepthPredictor,
    DepthScores,
    WholeDepth,
    evaluate_constant_depth,
    mean_depth,
)
from sapa_hf.tasks.scoring import score_model


class Brightness(torch.nn.Module):
    """Takes the red channel for depth, at half the size."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(scale))

    def forward(self, pixel_values):
        depth = torch.nn.functional.avg_pool2d(pixel_values[:, 0] * 9 + 0.5, 2, ceil_mode=True)
        return DepthEstimatorOutput(predicted_depth=depth * self.scale)


AS_IS = DPTImageProcessorPil(do_resize=False, do_normalize=False)


def evaluate_depth(model, samples, **share):
    return score_model(model, samples, WholeDepth(AS_IS), DepthScores(), **share)


def rooms(count=5):
    rng = np.random.default_rng(0)
    for number in range(count):
        ramp = np.linspace(0, 255, 40 + number).astype(np.uint8)
        image = np.repeat(np.tile(ramp, (33, 1))[..., None], 3, axis=2)
        depth = image[..., 0] / 255 * 9 + 0.5 + rng.normal(0, 0.05, image.shape[:2])
        depth[:3] = 0
        yield {"id": str(number), "image": image, "labels": depth.astype(np.float32), "skipped": 0}


def test_prediction_is_resized_to_the_photos_size_and_scored_there():
    results = evaluate_depth(Brightness(), list(rooms()))
    assert results["images"] == 5 and results["abs_rel"] < 0.03 and results["delta1"] > 0.99


def test_ranks_sum_to_what_one_process_finds():
    samples, sums = list(rooms()), []
    whole = evaluate_depth(Brightness(1.1), samples)
    for rank in range(2):  # what each rank hands to the reduction

        def keep(tensor):
            sums.append(tensor.clone())
            return tensor

        evaluate_depth(Brightness(1.1), samples, rank=rank, world_size=2, reduce=keep)
    totals = iter([sums[0] + sums[2], sums[1] + sums[3]])
    merged = evaluate_depth(Brightness(1.1), samples, world_size=2, reduce=lambda _: next(totals))
    assert merged["images"] == 5
    for key in ("abs_rel", "rmse", "silog", "delta1"):
        np.testing.assert_allclose(merged[key], whole[key], rtol=1e-12)


def test_flip_averages_and_short_side_resizes():
    sample = next(rooms(1))
    model = Brightness()
    plain, flipped = (WholeDepth(AS_IS, flip=f).predict(model, sample["image"]) for f in (False, True))
    np.testing.assert_allclose(plain, flipped, atol=0.2)  # a ramp mirrors to a ramp
    assert WholeDepth(short_side=16).pixel_values(sample["image"]).shape == (1, 3, 16, 19)
    assert WholeDepth(AS_IS, short_side=16).predict(model, sample["image"]).shape == (33, 40)


def test_a_prediction_that_is_not_finite_names_the_photo():
    with pytest.raises(ValueError, match="image 0.*not finite"):
        evaluate_depth(Brightness(float("nan")), list(rooms(1)))


def test_the_trivial_predictor_is_the_geometric_mean():
    samples = [
        {"id": "a", "image": None, "labels": np.array([[1.0, 0.0]], np.float32)},
        {"id": "b", "image": None, "labels": np.array([[4.0, 3.0]], np.float32)},
    ]
    np.testing.assert_allclose(mean_depth(samples), [[2.0, 3.0]])
    results = evaluate_constant_depth(samples, mean_depth(samples))
    np.testing.assert_allclose(results["abs_rel"], (1.0 + 0.25) / 2)
    assert f"{results['abs_rel']:.4f}" in DepthTask.table({"trivial": results})


@pytest.mark.slow
def test_the_trivial_predictor_of_nyu_has_the_published_errors(sapa_data):
    spec = get_spec("nyu_depth_v2", path=str(sapa_data / "nyu_depth_v2"))
    train, test = (Samples(load_split(spec, split), spec, target="depth") for split in ("train", "test"))
    results = evaluate_constant_depth(test, mean_depth(train), metric={"crop": "eigen"})
    figures = {key: round(results[key], 3) for key in ("abs_rel", "rmse", "delta1")}
    assert figures == {"abs_rel": 0.358, "rmse": 1.073, "delta1": 0.430}


def test_depth_pngs_hold_millimetres_and_never_wrap():
    depth = np.array([[0.0004, 1.2346, 65.535, 80.0]], np.float32).repeat(40, 0)
    pictures = DepthPredictor(Brightness()).pictures(None, depth)
    assert pictures["depth"].mode == "I;16"
    assert np.asarray(pictures["depth"])[0].tolist() == [0, 1235, 65535, 65535]


def test_colours_run_from_near_to_far_and_holes_are_grey():
    depth = np.array([[1.0, 5.0, 0.0, np.nan, 99.0]])
    colours = colourize_depth(depth, 1.0, 5.0)[0]
    brightness = colours.astype(int).sum(1)
    assert brightness[0] > 500 and brightness[1] < 20 and brightness[4] == brightness[1]
    assert colours[2].tolist() == colours[3].tolist() == [128, 128, 128]
    assert depth_range(np.zeros((2, 2))) == (0.0, 1.0)


@pytest.mark.parametrize(("near", "far", "height"), [(0.5, 0.8, 240), (1, 9.7, 48), (0.3, 80, 480)])
def test_the_scale_is_drawn_at_the_right(near, far, height):
    picture = Image.new("RGB", (60, height))
    drawn = np.asarray(with_depth_scale(picture, near, far))
    assert drawn.shape[0] == height and drawn.shape[1] > 90
    assert not drawn[:, :60].any() and (drawn[:, 60:] < 60).all(-1).any()


def test_misuse_says_what_to_do():
    with pytest.raises(ValueError, match="near < far"):
        colourize_depth(np.ones((2, 2)), 3.0, 3.0)
    with pytest.raises(ValueError, match="short_side"):
        WholeDepth(short_side=-1)
