"""Palette, overlays, legends and strips: sizes, colours and what is refused."""

import numpy as np
import pytest
from PIL import Image

from sapa_hf.pictures import colourize, comparison_strip, legend_for, overlay, palette, with_legend
from sapa_hf.pictures.palette import to_lab


def test_a_class_keeps_its_colour_whatever_the_number_of_classes():
    longest = palette(1024)
    for count in (1, 2, 11, 33, 150, 513):
        np.testing.assert_array_equal(palette(count), longest[:count])
    assert palette(3000).shape == (3000, 3)


@pytest.mark.parametrize(("count", "distance"), [(11, 30), (40, 18), (150, 9)])
def test_colours_are_apart_for_the_eye_and_from_black_and_white(count, distance):
    lab = to_lab(np.concatenate([palette(count), [(0, 0, 0), (255, 255, 255)]]))
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > distance


def test_lab_of_known_colours():
    rgb = np.array([(255, 255, 255), (255, 0, 0), (0, 0, 0)], np.uint8)
    expected = [(100, 0, 0), (53.24, 80.09, 67.20), (0, 0, 0)]
    np.testing.assert_allclose(to_lab(rgb), expected, atol=0.05)


def test_each_class_gets_its_colour_and_others_dark_grey():
    painted = colourize(np.array([[0, 1], [255, -1]]), palette(2))
    np.testing.assert_array_equal(painted[0], palette(2))
    assert (painted[1] == 40).all()
    with pytest.raises(ValueError, match="float64"):
        colourize(np.zeros((2, 2)))


def test_overlay_blends_and_draws_outlines():
    image = np.full((4, 6, 3), 100, np.uint8)
    labels = np.repeat([[0, 0, 0, 1, 1, 1]], 4, axis=0)
    plain = np.asarray(overlay(image, labels, palette(2), opacity=0.5, outlines=False))
    np.testing.assert_allclose(plain[0, 0], (100 + palette(2)[0].astype(float)) / 2, atol=0.5)
    outlined = np.asarray(overlay(image, labels, palette(2), opacity=0.5))
    assert (outlined[:, 2] > plain[:, 2]).any() and (outlined[:, 3:] == plain[:, 3:]).all()
    with pytest.raises(ValueError, match=r"\(4, 6, 3\).*\(4, 5\)"):
        overlay(image, labels[:, :5])
    with pytest.raises(ValueError, match="opacity"):
        overlay(image, labels, opacity=2)


def test_legend_lists_what_occurs_largest_first():
    labels = np.array([[2, 2, 2, 0], [0, 255, 255, 255]])
    entries = legend_for(labels, {0: "sky", 1: "tree", 2: "road"})
    assert [name for name, _ in entries] == ["road", "sky"]
    assert entries[0][1] == tuple(palette(3)[2].tolist())


@pytest.mark.parametrize("classes", [1, 5, 100])
def test_legend_stands_beside_the_picture_and_leaves_it_alone(classes):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 60, 3), dtype=np.uint8))
    colours = palette(classes)
    entries = [(f"class {c}", tuple(colours[c].tolist())) for c in range(classes)]
    drawn = np.asarray(with_legend(picture, entries))
    np.testing.assert_array_equal(drawn[:90, :60], np.asarray(picture))
    seen = {tuple(pixel) for pixel in drawn[:, 60:].reshape(-1, 3).tolist()}
    assert all(colour in seen for _, colour in entries)
    assert drawn.shape[1] < 600
    assert with_legend(picture, []) is picture


def test_strip_brings_panels_to_one_height_under_captions():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (80, 100, 3), dtype=np.uint8)
    strip = comparison_strip({"photo": photo, "a very long caption indeed": Image.new("RGB", (20, 40))})
    pixels = np.asarray(strip)
    top = strip.height - 80 - 6
    np.testing.assert_array_equal(pixels[top : top + 80, 6:106], photo)
    assert (pixels[:top] < 100).any()  # captions are drawn
    assert comparison_strip({"photo": photo}, height=160).height > 160
    with pytest.raises(ValueError, match="panel"):
        comparison_strip({})
