import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import SegformerImageProcessor

from sapa_hf.data import Samples, SegmentationTransform, get_spec, load_split
from sapa_hf.data.photometric import distort
from sapa_hf.data.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    is_varied,
    nearest_crop,
    normalization_table,
    normalize,
    resize_crop,
    resized_size,
)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8), rng.integers(0, 4, (height, width), np.uint8)


def test_normalisation_is_that_of_the_processor():
    image, _ = picture(37, 23)
    processor = SegformerImageProcessor(do_resize=False)
    expected = processor(Image.fromarray(image), return_tensors="np")["pixel_values"][0]
    ours = normalize(image, normalization_table(IMAGENET_MEAN, IMAGENET_STD))
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize("size", [(92, 112), (44, 48), (60, 80)])
def test_resizing_only_the_crop_equals_cropping_the_resized_photo(size):
    image, labels = picture(60, 80)
    whole = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
    box = (5, 11, 30, 24)
    rows, columns = slice(5, 35), slice(11, 35)
    assert (
        np.abs(np.asarray(resize_crop(image, size, box)).astype(int) - whole[rows, columns]).max() <= 2
    )  # rounding
    nearest = np.asarray(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))
    assert np.array_equal(nearest_crop(labels, size, box), nearest[rows, columns])


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    crop=st.integers(1, 64),
    short=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_any_size_gives_a_crop_of_the_right_size_without_new_labels(height, width, crop, short, seed):
    image, labels = picture(height, width, seed)
    labels = np.where(labels == 3, 7, labels).astype(np.uint8)
    transform = SegmentationTransform((crop, crop + 3), base_size=(2 * short, short))
    pixels, target = transform(image, labels, np.random.default_rng(seed))
    assert pixels.shape == (3, crop, crop + 3) and pixels.dtype == np.float32
    assert target.shape == (crop, crop + 3) and target.dtype == np.int64
    assert set(np.unique(target)) <= {*np.unique(labels), 255}


def test_padding_is_0_in_the_image_and_ignored_in_the_labels():
    image, labels = picture(20, 30)
    transform = SegmentationTransform(48, scale=(1, 1), base_size=(30, 20), flip=0, photometric=False)
    pixels, target = transform(image, labels, np.random.default_rng(0))
    table = normalization_table(IMAGENET_MEAN, IMAGENET_STD)
    assert np.array_equal(pixels[:, :20, :30], normalize(image, table))
    assert np.array_equal(target[:20, :30], labels)
    assert not pixels[:, 20:].any() and not pixels[:, :, 30:].any()
    assert (target[20:] == 255).all() and (target[:, 30:] == 255).all()


def test_the_flip_turns_image_and_labels_together():
    image, labels = picture(16, 16)
    plain, flipped = (
        SegmentationTransform(16, (1, 1), (16, 16), cat_max_ratio=1, flip=flip, photometric=False)(
            image, labels, np.random.default_rng(0)
        )
        for flip in (0, 1)
    )
    assert np.array_equal(plain[0][:, :, ::-1], flipped[0]) and np.array_equal(plain[1][:, ::-1], flipped[1])


def test_the_ratio_is_kept_and_the_photo_fits_the_base_size():
    assert resized_size((480, 640), (2048, 512), 1.0) == (512, 683)
    assert resized_size((512, 683), (2048, 512), 0.5) == (256, 342)
    assert resized_size((100, 1000), (2048, 512), 1.0) == (205, 2048)
    assert resized_size((640, 480), (2048, 512), 2.0) == (1365, 1024)


def test_crops_filled_by_one_class_are_drawn_again():
    labels = np.zeros((64, 256), np.uint8)
    labels[:, 192:] = np.arange(64, dtype=np.uint8)[:, None] % 4 + 1
    image = np.zeros((64, 256, 3), np.uint8)
    varied = []
    for ratio in (1.0, 0.75):
        transform = SegmentationTransform(32, (1, 1), (256, 64), cat_max_ratio=ratio, photometric=False)
        crops = [transform(image, labels, np.random.default_rng(seed))[1] for seed in range(100)]
        varied.append(sum(is_varied(crop, 0.75, 255) for crop in crops))
    assert varied[0] < 50 and varied[1] > 90


def test_ignored_pixels_do_not_count_as_a_class_in_the_crop_rule():
    for dtype in (np.uint8, np.int64):
        labels = np.full((10, 10), 255, dtype)
        labels[0, :4] = [0, 0, 1, 2]
        assert is_varied(labels, 0.75, 255)
        labels[0, :4] = 1
        assert not is_varied(labels, 0.75, 255)


class Draws:
    """A generator that gives listed numbers: coins below one half switch a step on."""

    def __init__(self, *coins, uniform=()):
        self.coins, self.values = list(coins), list(uniform)

    def random(self):
        return self.coins.pop(0)

    def uniform(self, low, high):
        return self.values.pop(0)


ON, OFF = 0.0, 0.9


@pytest.mark.parametrize(
    "draws, change",
    [
        (Draws(OFF, ON, OFF, OFF, OFF), lambda p: p),
        (Draws(ON, ON, OFF, OFF, OFF, uniform=[20]), lambda p: np.clip(p + 20.0, 0, 255)),
        (Draws(OFF, ON, ON, OFF, OFF, uniform=[1.5]), lambda p: np.clip(p * 1.5, 0, 255)),
        (Draws(ON, OFF, ON, OFF, OFF, uniform=[-30, 0.5]), lambda p: np.clip(p - 30.0, 0, 255) * 0.5),
    ],
)
def test_brightness_and_contrast_shift_and_scale_every_level(draws, change):
    image, _ = picture(12, 12)
    assert (
        np.abs(np.asarray(distort(Image.fromarray(image), draws)) - change(image.astype(float))).max() <= 0.5
    )


@pytest.mark.parametrize("saturation, hue", [(0.6, 0.0), (1.0, 0.08)])
def test_saturation_and_hue_are_those_of_the_colour_circle(saturation, hue):
    image, _ = picture(12, 12)
    coins = [OFF, ON, OFF, ON if saturation != 1 else OFF, ON if hue else OFF]
    values = [value for value, used in ((saturation, saturation != 1), (hue, hue != 0)) if used]
    changed = np.asarray(distort(Image.fromarray(image), Draws(*coins, uniform=values))).reshape(-1, 3)
    for before, after in zip(image.reshape(-1, 3) / 255, changed / 255, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb((h + hue) % 1, s * saturation, v)
        assert np.abs(np.array(expected) - after).max() < 10 / 255  # HSV is rounded to 8 bits a channel


def test_distortion_leaves_labels_alone_and_draws_from_its_generator_only():
    image, labels = picture(32, 32)
    transform = SegmentationTransform(32, (1, 1), (32, 32), flip=0)
    np.random.seed(0)
    first = transform(image, labels, np.random.default_rng(4))
    np.random.seed(1)
    again = transform(image, labels, np.random.default_rng(4))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], labels)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"crop_size": 0}, "crop_size"),
        ({"scale": (2.0, 0.5)}, "scale"),
        ({"base_size": (0, 4)}, "base_size"),
        ({"cat_max_ratio": 0}, "cat_max_ratio"),
        ({"flip": 1.5}, "flip"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentationTransform(**{"crop_size": 8, **options})


def test_real_photos_give_crops_with_their_own_labels(sapa_data):
    spec = get_spec("camvid", path=str(sapa_data / "camvid"))
    dataset = load_split(spec, "validation")
    plain = Samples(dataset, spec)
    crops = Samples(dataset, spec, transform=SegmentationTransform(96, base_size=(240, 180)))
    for index in range(4):
        assert set(np.unique(crops[index]["labels"])) <= {*np.unique(plain[index]["labels"]), 255}
        assert np.isfinite(crops[index]["pixel_values"]).all()
