import numpy as np
import pytest

from sapa_hf.data import check_labels, collate, reduce_labels


def test_reducing_moves_other_to_the_ignored_label_and_classes_down():
    reduced = reduce_labels(np.array([[0, 1, 150]], np.uint8), 150)
    assert reduced.tolist() == [[255, 0, 149]] and reduced.dtype == np.uint8


@pytest.mark.parametrize("ignore_index", [255, -100, 300])
def test_reducing_works_for_any_ignored_label(ignore_index):
    assert reduce_labels(np.array([[0, 1, 2]], np.uint8), 2, ignore_index).tolist() == [[ignore_index, 0, 1]]


def test_labels_reduced_twice_are_noticed():
    once = reduce_labels(np.array([[0, 1, 150]], np.uint8), 150)
    with pytest.raises(ValueError, match="scene_1: .*looks reduced already, so set reduce_labels=False"):
        reduce_labels(once, 150, name="scene_1")


def test_labels_not_reduced_that_should_be_are_noticed():
    with pytest.raises(ValueError, match=r"scene_1: labels \[150\].*set reduce_labels=True"):
        check_labels(np.array([[0, 1, 150]]), 150, name="scene_1")


def test_a_label_beyond_the_classes_is_refused_while_reducing():
    with pytest.raises(ValueError, match=r"scene_1: the stored labels lie in 0\.\.151, .* in 0\.\.150"):
        reduce_labels(np.array([[0, 151]], np.uint8), 150, name="scene_1")


@pytest.mark.parametrize("value", [11, 200, -100])
def test_a_label_that_is_no_class_is_refused_with_all_that_helps(value):
    with pytest.raises(ValueError) as error:
        check_labels(np.array([[0, 3, 255, value]]), 11, 255, "photo_9")
    for part in ("photo_9", f"[{value}]", f"min {min(0, value)}", "max 255", "0..10", "255 for ignored"):
        assert part in str(error.value)


def test_classes_and_ignored_pixels_pass():
    check_labels(np.array([[0, 10, 255]], np.uint8), 11)
    check_labels(np.full((2, 2), 255, np.uint8), 11)
    check_labels(np.array([[0, 10, -100]]), 11, ignore_index=-100)
    check_labels(np.zeros((0, 4), np.uint8), 11)


def test_the_collator_names_the_image_whose_labels_a_transform_has_spoiled():
    items = [
        {"id": id_, "pixel_values": np.zeros((3, 2, 2), np.float32), "labels": labels, "skipped": 0}
        for id_, labels in (("fine", np.zeros((2, 2), np.int64)), ("spoiled", np.full((2, 2), 12)))
    ]
    with pytest.raises(ValueError, match="spoiled"):
        collate(items, 11)
    with pytest.raises(ValueError, match="at least one sample"):
        collate([], 11)
