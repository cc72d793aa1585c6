"""Labels are looked at before training: what teaches or measures nothing is refused, what is odd is said."""

import io

import datasets
import numpy as np
import pytest
from PIL import Image

from sapa_hf.data import get_spec, survey_split

MASK = np.kron([[0, 1], [1, 0]], np.ones((4, 4), int)).astype(np.uint8)


def split_of(maps, column="annotation", streaming=False):
    rows = []
    for array in maps:
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG")
        rows.append({column: {"bytes": buffer.getvalue(), "path": None}})
    features = datasets.Features({column: datasets.Image(decode=False)})
    dataset = datasets.Dataset.from_list(rows, features)
    return dataset.to_iterable_dataset() if streaming else dataset


def spec_of(count, **fields):
    return get_spec("custom", id2label={c: f"name{c}" for c in range(count)}, **fields)


@pytest.mark.parametrize("streaming", [False, True])
def test_binary_masks_of_0_and_255_are_refused_for_training(streaming):
    dataset = split_of([MASK * 255] * 3, streaming=streaming)
    with pytest.raises(ValueError, match=r"holds only class 0 \('name0'\).*1 \('name1'\) never occurs.*255"):
        survey_split(dataset, spec_of(2), train=True)
    survey_split(dataset, spec_of(2))  # an evaluation split may hold one class only


def test_labels_reduced_twice_are_refused_where_one_class_is_left():
    reduced = np.where(MASK == 0, 0, MASK)  # 0: already a class
    with pytest.raises(ValueError, match="holds only class 0 .*reduce_labels"):
        survey_split(split_of([reduced]), spec_of(2, reduce_labels=True), train=True)


def test_masks_of_one_class_are_refused():
    with pytest.raises(ValueError, match=r"all 2 rows looked at\) holds only class 0 .* 0\.\.1"):
        survey_split(split_of([MASK * 0] * 2), spec_of(2), train=True)
    survey_split(split_of([MASK * 0] * 2), spec_of(1), train=True)


def test_a_missing_class_among_several_is_said_with_its_name_and_the_number_of_rows(caplog):
    survey_split(split_of([MASK] * 300), spec_of(12), train=True)
    assert "200 of 300 rows looked at) holds no pixel of class 2 ('name2'), 3" in caplog.text
    assert "and 2 more: a class that never occurs is not learnt" in caplog.text


def test_masks_that_show_every_class_pass_in_silence(caplog):
    survey_split(split_of([MASK, np.full_like(MASK, 255)]), spec_of(2), train=True)
    assert not caplog.text


@pytest.mark.parametrize("train", [False, True])
def test_a_split_without_any_label_is_refused(train):
    with pytest.raises(ValueError, match="no pixel of .* has a label: all have the ignored value 255"):
        survey_split(split_of([np.full_like(MASK, 255)] * 2), spec_of(2), train=train)


def test_only_the_rows_that_will_be_used_count():
    dataset = split_of([np.full_like(MASK, 255), MASK])
    survey_split(dataset, spec_of(2))
    with pytest.raises(ValueError, match="all 1 rows looked at"):
        survey_split(dataset, spec_of(2), limit=1)


def test_a_wrong_label_is_named_by_its_row():
    with pytest.raises(ValueError, match=r"row\[1\], annotation: labels \[7\]"):
        survey_split(split_of([MASK, MASK * 7]), spec_of(2))


def test_an_unreadable_row_is_passed_over_where_the_run_does_so():
    features = datasets.Features({"annotation": datasets.Image(decode=False)})
    rows = [{"annotation": {"bytes": b"nothing", "path": None}}, *split_of([MASK])]
    dataset = datasets.Dataset.from_list(rows, features)
    survey_split(dataset, spec_of(2), train=True, on_bad="skip")
    with pytest.raises(ValueError, match=r"row\[0\]"):
        survey_split(dataset, spec_of(2), train=True)


def test_a_split_that_cannot_be_read_at_all_is_refused(caplog):
    features = datasets.Features({"annotation": datasets.Image(decode=False)})
    dataset = datasets.Dataset.from_list([{"annotation": None}] * 3, features)
    for on_bad, text in (
        ("raise", r"row\[0\], annotation: no image"),
        ("skip", "no row whose labels can be read"),
    ):
        with pytest.raises(ValueError, match=text):
            survey_split(dataset, spec_of(2), on_bad=on_bad)
    with pytest.raises(ValueError, match="names no label_column"):
        survey_split(dataset, spec_of(2, label_column=None))


def test_depth_that_is_missing_or_too_far_is_said_before_training(caplog):
    spec = get_spec("custom", label_column=None, depth_column="depth", depth_scale=0.001)
    with pytest.raises(ValueError, match="no depth to use: no pixel is measured"):
        survey_split(split_of([np.zeros((4, 4), np.uint16)], "depth"), spec, "depth")
    far = split_of([np.full((4, 4), 50_000, np.uint16)], "depth")
    with pytest.raises(ValueError, match=r"lie outside 0\.001\.\.10 m"):
        survey_split(far, spec, "depth", depth_range=(1e-3, 10))
    mixed = np.full((4, 4), 50_000, np.uint16)
    mixed[0] = 2000
    survey_split(split_of([mixed], "depth"), spec, "depth", depth_range=(1e-3, 10))
    assert "75 % of the measured pixels lie beyond 10 m" in caplog.text
