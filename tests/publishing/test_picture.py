"""The picture of a card: drawn from the results, sent with them, absent where there is nothing to draw."""

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from published import write_run

import sapa_hf.publishing.card
from sapa_hf.pictures import class_bars
from sapa_hf.publishing import assemble_folder, find_results
from sapa_hf.publishing.manifest import unchanged_files
from sapa_hf.publishing.picture import PICTURE, write_picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    row = {"id": 1, "name": "door/window", "iou": 0.25, "boundary_iou": 0.2, "accuracy": 0.3, "pixels": 5}
    run = write_run(tmp_path_factory.mktemp("run"), classes=[row])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))  # quick to count
        return assemble_folder(run / "best", tmp_path_factory.mktemp("hub") / "tiny", find_results(run))


def coloured(picture):
    """How many pixels of each row of a picture are neither paper nor ink."""
    pixels = np.asarray(picture).astype(int)
    return (np.ptp(pixels, axis=2) > 60).sum(1)


def test_the_card_shows_the_picture_and_it_is_among_the_published_files(folder):
    text = ModelCard.load(folder / "README.md").text
    assert f"![IoU and boundary IoU of each class]({PICTURE})" in text
    assert PICTURE in unchanged_files(folder)
    with Image.open(folder / PICTURE) as picture:
        assert picture.format == "PNG" and min(picture.size) > 50
        assert coloured(picture.convert("RGB")).max() > 100  # there are bars


def test_a_bar_is_as_long_as_its_share():
    picture = class_bars({0: "a", 1: "b", 2: "c"}, {"IoU": {0: 0.25, 1: 1.0, 2: 0.5}})
    rows = coloured(picture)
    lengths = [rows[start : start + 28].max() for start in (28, 56, 84)]  # the best on top
    assert lengths[0] == pytest.approx(261, abs=1)
    assert lengths[1] == pytest.approx(131, abs=1) and lengths[2] == pytest.approx(66, abs=1)


def test_of_many_classes_the_best_and_the_worst_are_drawn():
    scores = {label: label / 150 for label in range(150)}
    many = class_bars({label: f"class {label}" for label in scores}, {"IoU": scores})
    assert many.height == 41 * 28
    lengths = coloured(many).reshape(41, 28).max(1)[1:]
    assert lengths[0] > 250 and lengths[-1] < 10 and list(lengths) == sorted(lengths, reverse=True)


def test_results_without_classes_have_no_picture(tmp_path):
    assert write_picture(tmp_path, {"per_class": []}) is None
    rows = [{"id": 0, "name": "wall", "iou": None, "boundary_iou": None}]
    assert write_picture(tmp_path, {"per_class": rows}) is None
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="at least one class"):
        class_bars({0: "wall"}, {"IoU": {}})
