"""Detection as a task: boxes as data, their transform, and real runs beside torchvision."""

import json
from pathlib import Path

import numpy as np
import pytest
from boxes_scenes import rectangles, write_boxes
from other_libraries import TORCHVISION, install_apart, run_tests_beside

from sapa_hf.data import BadSampleError, DetectionTransform, Samples, get_spec, load_split, survey_split
from sapa_hf.data.boxes import read_boxes
from sapa_hf.tasks import TASKS, DetectionTask


@pytest.mark.slow
def test_it_trains_resumes_predicts_and_publishes():
    run_tests_beside(install_apart(TORCHVISION), Path(__file__).with_name("detection_runs.py"))


def spec(folder):
    return get_spec("coco_detection", path=str(folder))


def test_boxes_are_read_beside_their_photos(tmp_path):
    boxes = spec(write_boxes(tmp_path / "photos"))
    samples = Samples(load_split(boxes, "train"), boxes, "boxes")
    photo, objects = rectangles(3)
    sample = samples[3]
    assert np.array_equal(sample["image"], photo) and sample["id"] == "3"
    x, y, width, height = objects["bbox"][0]
    expected = [x, y, x + width, y + height, objects["category"][0], width * height, 0]
    assert sample["labels"][0].tolist() == expected and len(sample["labels"]) == len(objects["bbox"])
    survey_split(load_split(boxes, "train"), boxes, "boxes", train=True)


def test_objects_as_a_list_and_without_area_are_read_too(tmp_path):
    boxes = spec(write_boxes(tmp_path / "photos"))
    row = {"objects": [{"bbox": [1, 2, 3, 4], "category": 1}, {"bbox": [0, 0, 5, 6], "category": 0}]}
    assert read_boxes(row, boxes, "row").tolist() == [[1, 2, 4, 6, 1, 12, 0], [0, 0, 5, 6, 0, 30, 0]]
    assert read_boxes({"objects": None}, boxes, "row").shape == (0, 7)


@pytest.mark.parametrize(
    ("objects", "error", "text"),
    [
        ({"bbox": [[0, 0, 5, 5]], "category": []}, BadSampleError, "one category for each bbox, got 1 boxes"),
        ({"bbox": [[0, 0, -5, 5]], "category": [0]}, BadSampleError, "sides of 0 or more"),
        ({"bbox": [[0, 0, 5]], "category": [0]}, BadSampleError, "bbox .x, y, width, height. and category"),
        ({"bbox": [[0, 0, 5, 5]], "category": [90]}, ValueError, "a class 0..1, got 90; COCO's own ids"),
    ],
)
def test_what_is_no_box_is_refused_by_name(tmp_path, objects, error, text):
    boxes = spec(write_boxes(tmp_path / "photos"))
    with pytest.raises(error, match=f"row 7, objects.*{text}"):
        read_boxes({"objects": objects}, boxes, "row 7")


def test_a_split_without_a_box_is_refused(tmp_path):
    boxes = spec(write_boxes(tmp_path / "photos"))
    empty = {"bbox": [], "category": [], "area": [], "iscrowd": []}
    split = load_split(boxes, "validation").map(lambda row: {"objects": empty})
    with pytest.raises(ValueError, match="has no box to learn or measure; check objects_column"):
        survey_split(split, boxes, "boxes")


def test_a_flip_mirrors_photo_and_boxes_and_crowds_are_left_out():
    photo, _ = rectangles(0)
    labels = np.array([[2, 3, 10, 9, 1, 48, 0], [0, 0, 64, 48, 0, 9, 1], [60, 40, 90, 60, 0, 1, 0]], float)
    labels = np.vstack([labels, [[70, 5, 80, 9, 0, 40, 0]]])  # outside of the photo
    rng = np.random.default_rng(0)
    image, boxes = DetectionTransform(0.0)(photo, labels, rng)
    assert np.array_equal(image, photo.transpose(2, 0, 1).astype(np.float32) / 255)
    assert boxes.tolist() == [[2, 3, 10, 9, 1], [60, 40, 64, 48, 0]]
    mirrored, turned = DetectionTransform(1.0)(photo, labels, rng)
    assert np.array_equal(mirrored, image[:, :, ::-1])
    assert turned.tolist() == [[54, 3, 62, 9, 1], [0, 40, 4, 48, 0]]


def test_real_photos_have_boxes_inside_of_them(sapa_data):
    boxes = spec(sapa_data / "coco_mini")
    assert TASKS["object-detection"] is DetectionTask and boxes.num_labels == 80
    assert json.loads((sapa_data / "coco_mini" / "id2label.json").read_text())["0"] == boxes.class_names[0]
    samples = Samples(load_split(boxes, "validation"), boxes, "boxes")
    count = 0
    for index in range(0, len(samples), 8):
        sample, (height, width) = samples[index], samples[index]["image"].shape[:2]
        x1, y1, x2, y2 = sample["labels"][:, :4].T
        assert (x1 >= -1).all() and (y1 >= -1).all() and (x2 <= width + 1).all() and (y2 <= height + 1).all()
        count += len(sample["labels"])
    assert count > 8
