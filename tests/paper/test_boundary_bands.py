"""Scores close to boundaries: which pixels count, and the script that compares saved models by them."""

import json

import numpy as np
import pytest
from published import save_model, tiny_model

from sapa_hf.paper.boundary_bands import BandScores, boundary_distance
from sapa_hf.scripts import boundary_bands

IGNORED = 255


def halves():
    """Class 0 in columns 0 to 9, class 1 in columns 10 to 19."""
    labels = np.zeros((12, 20), np.uint8)
    labels[:, 10:] = 1
    return labels


def test_distance_counts_pixels_from_the_edge_between_two_classes():
    labels = halves()
    distance = boundary_distance(labels, IGNORED)
    assert distance[5].tolist() == [*range(10, 0, -1), *range(1, 11)]
    assert (boundary_distance(labels.T, IGNORED) == distance.T).all()


def test_pixels_without_a_class_make_no_boundary():
    labels = halves()
    labels[:, 9:11] = IGNORED
    assert np.isinf(boundary_distance(labels, IGNORED)).all()
    assert np.isinf(boundary_distance(labels * 0, IGNORED)).all()


def test_a_band_counts_its_own_pixels_alone():
    labels = halves()
    prediction = labels.copy()
    prediction[:, 7] = 1  # three pixels from the boundary
    scores = BandScores(2, IGNORED, [2, 3])
    scores.add(prediction, labels, "halves")
    found = scores.results()
    assert found["2"] == 1
    assert found["3"] == pytest.approx((2 / 3 + 3 / 4) / 2)  # of three columns each, one is wrong
    assert found["all"] == pytest.approx((9 / 10 + 10 / 11) / 2)


@pytest.mark.slow
def test_the_script_compares_saved_models_by_band(tmp_path, capsys):
    models = []
    for upsampler in ("bilinear", "sapa-g"):
        save_model(tmp_path / upsampler, tiny_model(upsampler))
        models.append(f"{upsampler}={tmp_path / upsampler}")
    output = tmp_path / "bands" / "scenes.json"
    options = ["--dataset", "scenes", "--limit", "3", "--widths", "1", "4", "--output", str(output)]
    boundary_bands.main(["--models", *models, *options])
    found = json.loads(output.read_text())
    assert found["about"]["images"] == 3
    assert {name: list(bands) for name, bands in found["mean_iou"].items()} == {
        "bilinear": ["1", "4", "all"],
        "sapa-g": ["1", "4", "all"],
    }
    assert all(0 < iou < 1 for bands in found["mean_iou"].values() for iou in bands.values())
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("| all") and f"{100 * found['mean_iou']['sapa-g']['all']:.2f} (" in last


@pytest.mark.parametrize("named", ["folder", "=folder", "caption="])
def test_the_script_says_how_a_model_is_named(named, tmp_path, capsys):
    with pytest.raises(SystemExit):
        boundary_bands.main(["--models", named, "--dataset", "scenes", "--output", str(tmp_path / "b.json")])
    assert "--models must be CAPTION=FOLDER" in capsys.readouterr().err
