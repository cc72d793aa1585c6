"""COCO's average precision against what is known by hand."""

import sys

import numpy as np
import pytest

from sapa_hf.data import Samples, get_spec, load_split
from sapa_hf.metrics import load_metric

BOX = [10.0, 10.0, 50.0, 50.0]
TRUTH = np.array([[*BOX, 3, 1600, 0]])


def ap(predictions, references):
    return load_metric("box_ap").compute(predictions=predictions, references=references)


def test_the_truth_has_a_precision_of_1(sapa_data):
    spec = get_spec("coco_detection", path=str(sapa_data / "coco_mini"))
    samples = Samples(load_split(spec, "validation"), spec, "boxes")
    truths = [samples[index]["labels"] for index in range(len(samples))]
    found = [np.column_stack([t[:, :4], np.ones(len(t)), t[:, 4]])[t[:, 6] == 0] for t in truths]
    scores = ap(found, truths)
    assert scores["ap"] == scores["ap50"] == scores["ar"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([[*BOX, 0.9, 3]], 1.0),
        ([[10, 10, 50, 41, 0.9, 3]], 0.6),  # an overlap of 31 / 40: right at 0.50 to 0.75
        ([[*BOX, 0.9, 2]], 0.0),  # of another class
        ([[100, 100, 140, 140, 0.9, 3], [*BOX, 0.8, 3]], 0.5),  # a false one is ranked above
        ([], 0.0),
    ],
)
def test_small_cases_are_as_counted_by_hand(boxes, expected):
    assert ap([np.array(boxes).reshape(-1, 6)], [TRUTH])["ap"] == pytest.approx(expected, abs=1e-6)


def test_sizes_without_an_object_are_none_and_crowds_are_not_missed():
    crowd = np.vstack([TRUTH, [[60, 60, 90, 90, 3, 900, 1]]])
    scores = ap([np.array([[*BOX, 0.9, 3]])], [crowd])
    assert scores["ap"] == scores["ap_medium"] == pytest.approx(1) and scores["ap_small"] is None


def test_images_of_another_process_are_merged():
    one, other = load_metric("box_ap"), load_metric("box_ap")
    one.add(prediction=np.array([[*BOX, 0.9, 3]]), reference=TRUTH)
    other.add(prediction=np.zeros((0, 6)), reference=TRUTH)
    one.merge(other.boxes)
    scores = one.compute()
    assert scores["ar"] == pytest.approx(0.5) and scores["ap"] == pytest.approx(51 / 101)


def test_what_cannot_be_measured_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"a prediction must be boxes \(n, 6\), got \(1, 5\)"):
        ap([np.zeros((1, 5))], [TRUTH])
    with pytest.raises(ValueError, match="finite"):
        ap([np.full((1, 6), np.nan)], [TRUTH])
    with pytest.raises(ValueError, match="no reference has a box"):
        ap([np.zeros((0, 6))], [TRUTH[:0]])
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ImportError, match=r"install sapa-hf\[detection\]"):
        ap([np.zeros((0, 6))], [TRUTH])
