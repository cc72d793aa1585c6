"""Palette, overlays, legends and strips: sizes, colours and what is refused."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from sapa_hf.pictures import (
    colourize,
    colourize_depth,
    comparison_strip,
    legend_for,
    overlay,
    palette,
    with_legend,
)
from sapa_hf.pictures.lettering import shown_names
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


def test_a_name_that_no_font_draws_has_its_number_before_it():
    assert shown_names({0: "sky", 1: "дорога", 2: "道路", 3: "café"}) == {
        0: "sky",
        1: "дорога",
        2: "2 道路",
        3: "café",
    }
    labels = np.array([[1, 2, 2]])
    assert [name for name, _ in legend_for(labels, {1: "x", 2: "道路"})] == ["2 道路", "x"]


def test_names_that_look_alike_have_their_numbers_before_them():
    names = {0: "road", 1: "road\n", 2: "", 3: "\u200b", 4: "a" * 70, 5: "a" * 71, 6: "x\ty"}
    shown = shown_names(names)
    assert [shown[c] for c in (0, 1, 2, 3, 6)] == ["0 road", "1 road", "2", "3", "x y"]
    assert shown[4].startswith("4 aaa") and len(shown[5]) < 65


def test_letters_beyond_ascii_are_drawn_and_not_replaced_by_boxes():
    picture = Image.new("RGB", (60, 90))
    drawn = [np.asarray(with_legend(picture, [(name, (1, 2, 3))])) for name in ("ф", "ж", "ф")]
    assert np.array_equal(drawn[0], drawn[2]) and not np.array_equal(drawn[0], drawn[1])


def test_a_large_photo_is_drawn_in_little_memory():
    image, labels = np.zeros((1500, 1500, 3), np.uint8), np.zeros((1500, 1500), np.uint8)
    tracemalloc.start()
    overlay(image, labels, palette(2))
    peak = tracemalloc.get_traced_memory()[1]
    colourize_depth(np.ones((1500, 1500), np.float32), 0.5, 2.0)
    later = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(peak, later) < 15 * labels.size  # bytes; in floating point it were 48 and more


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
