"""Weights of classes by median frequency, against counts made by hand."""

import numpy as np
import pytest

from sapa_hf.data import get_spec, load_split
from sapa_hf.data.class_frequency import median_frequency_weights, read_label_maps


def test_a_class_s_frequency_is_over_the_photos_that_show_it():
    photos = [
        np.array([[0, 0, 0, 1]]),  # 0: 3 of 4, 1: 1 of 4
        np.array([[0, 255, 2, 2]]),  # 0: 1 of 3, 2: 2 of 3; one pixel has no label
    ]
    frequency = [4 / 7, 1 / 4, 2 / 3]  # whose median is the first
    expected = [frequency[0] / share for share in frequency]
    assert median_frequency_weights(photos, 3) == pytest.approx(expected)


def test_a_class_that_never_occurs_weighs_nothing_and_leaves_the_others_alone():
    photos = [np.array([[0, 0, 1]])]
    assert median_frequency_weights(photos, 3) == pytest.approx([0.5 / (2 / 3), 0.5 / (1 / 3), 0])


def test_a_split_without_a_label_is_refused():
    with pytest.raises(ValueError, match="only where some pixel is labelled"):
        median_frequency_weights([np.full((2, 2), 255)], 3)


def test_a_split_gives_the_same_weights_as_a_stream_and_walls_weigh_little():
    spec = get_spec("scenes", options={"count": 6, "size": 48})
    indexed, streamed = (
        median_frequency_weights(read_label_maps(split, spec), spec.num_labels)
        for split in (load_split(spec, spec.train_split, streaming) for streaming in (False, True))
    )
    assert indexed == streamed and all(weight > 0 for weight in indexed)
    assert spec.class_names[int(np.argmin(indexed))] in ("wall", "floor")
