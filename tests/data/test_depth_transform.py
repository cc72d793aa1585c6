"""The depth recipe's transform: depth only moves, colours stay in BTS's ranges, sizes come out."""

import numpy as np
import pytest

from sapa_hf.data import DepthTransform, get_spec
from sapa_hf.data.depth_transform import resize, rotate

PLAIN = {"frame": None, "rotation": 0, "flip": 0, "photometric": 0}
AS_IS = {"mean": (0, 0, 0), "std": (1, 1, 1)}


def sample(height=48, width=64):
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 9, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = 0
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8), depth


def test_depth_is_moved_and_never_averaged():
    image, depth = sample()
    values = set(np.unique(depth))
    for seed in range(20):
        transform = DepthTransform((32, 40), size=(44, 60))
        _, target = transform(image, depth, np.random.default_rng(seed))
        assert set(np.unique(target)) <= values


def test_rotation_and_resize_keep_holes():
    image, depth = sample()
    depth[20:30, 20:30] = 0
    for _, moved in (
        rotate(image, depth, 2.0),
        resize(image, depth, (96, 128)),
        resize(image, depth, (24, 32)),
    ):
        middle = np.s_[moved.shape[0] * 22 // 48 : moved.shape[0] * 28 // 48]
        assert not moved[middle, moved.shape[1] * 23 // 64 : moved.shape[1] * 27 // 64].any()


def test_photo_and_depth_move_together():
    depth = np.tile(np.arange(1, 65, dtype=np.float32), (48, 1))
    image = np.repeat((depth * 3).astype(np.uint8)[..., None], 3, axis=2)
    for seed in range(10):
        transform = DepthTransform((30, 36), frame=(43, 45, 608, 472), photometric=0, **AS_IS)
        pixels, target = transform(image, depth, np.random.default_rng(seed))
        seen = (target > 0) & (pixels[0] > 0)  # off the corners that the rotation left
        error = np.abs(pixels[0] * 255 / 3 - target)[seen]
        assert seen.mean() > 0.8 and np.median(error) < 0.6 and error.max() < 3


def test_without_randomness_it_crops_and_normalises_only():
    image, depth = sample(32, 40)
    pixels, target = DepthTransform((32, 40), **PLAIN)(image, depth, np.random.default_rng(0))
    expected = (image / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(pixels, expected.transpose(2, 0, 1), atol=1e-6)
    assert np.array_equal(target, depth) and pixels.dtype == target.dtype == np.float32


def test_the_white_frame_is_cut_at_any_size():
    for height, width, rows, columns in ((480, 640, 427, 565), (240, 320, 213, 282)):
        image = np.full((height, width, 3), 255, np.uint8)
        inner = np.s_[45 * height // 480 : -8 * height // 480, 41 * width // 640 : -32 * width // 640]
        image[inner] = 100
        transform = DepthTransform((rows, columns), **(PLAIN | {"frame": (43, 45, 608, 472)}), **AS_IS)
        pixels, target = transform(image, np.ones((height, width), np.float32), np.random.default_rng(0))
        assert target.all()  # the crop is exactly what the frame leaves
        assert (pixels == np.float32(100 / 255)).all()


def test_the_frame_belongs_to_nyu_and_to_no_other_data_set():
    image, depth = sample(48, 64)
    kept = DepthTransform((48, 64), rotation=0, flip=0)(image, depth, np.random.default_rng(0))[1]
    assert np.array_equal(kept, depth)
    assert get_spec("nyu_depth_v2").frame == (43, 45, 608, 472)
    assert get_spec("nyu_depth_v2").depth_metric["crop"] == "eigen"
    assert get_spec("custom").frame is None and get_spec("custom").depth_metric == {}


def test_colours_stay_in_their_ranges():
    image, depth = np.full((8, 8, 3), 128, np.uint8), np.ones((8, 8), np.float32)
    transform = DepthTransform((8, 8), **(PLAIN | {"photometric": 1}), **AS_IS)
    values = np.array([transform(image, depth, np.random.default_rng(s))[0][:, 0, 0] for s in range(300)])
    level = 128 / 255
    assert values.min() >= level**1.1 * 0.75 * 0.9 and values.max() <= level**0.9 * 1.25 * 1.1
    assert values.std() > 0.05 and (values[:, 0] != values[:, 1]).any()


def test_half_of_all_crops_are_flipped_and_a_draw_repeats():
    image, depth = sample(8, 8)
    transform = DepthTransform((8, 8), **(PLAIN | {"flip": 0.5}))
    flips = [
        not np.array_equal(transform(image, depth, np.random.default_rng(s))[1], depth) for s in range(200)
    ]
    assert 70 < sum(flips) < 130
    whole = DepthTransform((32, 32))
    first, second = (whole(*sample(), np.random.default_rng((1, 2, 3))) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_photo_smaller_than_the_crop_is_filled_with_holes():
    image, depth = np.full((8, 9, 3), 200, np.uint8), np.ones((8, 9), np.float32)
    pixels, target = DepthTransform((16, 16), **PLAIN)(image, depth, np.random.default_rng(0))
    assert pixels.shape == (3, 16, 16) and target.sum() == 72
    assert not pixels[:, 8:].any() and not pixels[:, :, 9:].any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"crop_size": (0, 3)}, "crop_size"),
        ({"frame": (43, 45, 700, 472)}, "640 x 480"),
        ({"rotation": -1}, "rotation"),
        ({"gamma": (1.1, 0.9)}, "gamma"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        DepthTransform(**options)


def test_nyu_is_described_in_millimetres():
    spec = get_spec("nyu_depth_v2", path="somewhere")
    assert (spec.depth_column, spec.depth_scale, spec.eval_split) == ("depth_map", 0.001, "test")
