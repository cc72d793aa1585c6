"""Whole-image inference and evaluation: sizes, views, ranks, results files, tables."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_segmentation import evaluate_segmentation, tiny_model, tiny_samples
from transformers import SegformerImageProcessorPil

from sapa_hf.data import get_spec
from sapa_hf.evaluation import read_results, write_results
from sapa_hf.metrics import load_metric
from sapa_hf.tasks.segmentation import (
    WholeImage,
    evaluate_constant,
    most_common_label,
    overall_table,
    per_class_table,
    whole_image,
)
from sapa_hf.tasks.segmentation.whole_image import decide

SCORES = ("mean_iou", "mean_accuracy", "overall_accuracy", "boundary_iou")


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.mark.parametrize(
    ("shape", "short_side", "size"),
    [
        ((360, 480), 360, (384, 480)),
        ((512, 683), 512, (512, 704)),  # 683 becomes 704 by stretching, not by padding
        ((1200, 300), 512, (2048, 512)),
        ((4000, 100), 512, (2048, 64)),  # the long side binds
        ((100, 70), 0, (100, 70)),  # the photo's own size
    ],
)
def test_inputs_keep_their_ratio_and_become_multiples_of_32(shape, short_side, size):
    assert WholeImage(short_side=short_side).input_size(shape) == size


def test_pixel_values_equal_those_of_segformers_processor():
    image = tiny_samples(1)[0]["image"]
    inference = WholeImage(short_side=48)
    height, width = inference.input_size(image.shape[:2])
    processor = SegformerImageProcessorPil(size={"height": height, "width": width})
    expected = processor(image, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(inference.pixel_values(image), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, 32])
def test_deciding_some_classes_at_a_time_changes_nothing(chunk):
    logits = torch.randn(1, 11, 9, 7)
    expected = F.interpolate(logits, (35, 50), mode="bilinear").argmax(1)[0]
    assert torch.equal(decide([logits], (35, 50), chunk), expected)


@pytest.mark.parametrize("chunk", [1, 3, 32])
def test_views_are_averaged_as_probabilities(chunk):
    views = [torch.randn(1, 5, 8, 8), 3 * torch.randn(1, 5, 12, 16)]
    resized = [F.interpolate(view, (40, 30), mode="bilinear").double().softmax(1) for view in views]
    labels = decide(views, (40, 30), chunk)
    assert (
        labels == sum(resized).argmax(1)[0]
    ).float().mean() > 0.999  # float32 may break a near tie otherwise


def test_averaging_views_a_band_of_rows_at_a_time_changes_nothing(monkeypatch):
    views = [torch.randn(1, 5, 8, 8).double(), 3 * torch.randn(1, 5, 12, 16).double()]
    resized = [F.interpolate(view, (45, 30), mode="bilinear").softmax(1) for view in views]
    for rows in (1, 2, 44, 45):
        monkeypatch.setattr(whole_image, "BAND", 5 * 30 * rows)
        assert torch.equal(decide(views, (45, 30), 1).long(), sum(resized).argmax(1)[0])


def test_flip_makes_the_prediction_of_the_mirrored_photo_the_mirrored_prediction(model):
    image = np.ascontiguousarray(tiny_samples(1)[0]["image"][:32, :32])
    inference = WholeImage(short_side=0, flip=True)
    mirrored = inference.predict(model, np.ascontiguousarray(image[:, ::-1]))
    assert (inference.predict(model, image) == mirrored[:, ::-1]).mean() > 0.99


def test_scores_equal_those_of_the_metrics_on_plain_argmax(model):
    samples = tiny_samples()
    results = evaluate_segmentation(model, samples, num_labels=4, short_side=48)
    predictions = []
    for sample in samples:
        pixel_values = WholeImage(short_side=48).pixel_values(sample["image"])
        with torch.no_grad():
            logits = model(pixel_values=pixel_values).logits
        predictions.append(
            F.interpolate(logits, sample["labels"].shape, mode="bilinear").argmax(1)[0].numpy()
        )
    references = [sample["labels"] for sample in samples]
    expected = load_metric("mean_iou").compute(
        predictions=predictions, references=references, num_labels=4, ignore_index=255
    )
    boundary = load_metric("boundary_iou").compute(
        predictions=predictions, references=references, num_labels=4
    )
    for key in SCORES[:3]:
        assert results[key] == expected[key]
    assert results["boundary_iou"] == boundary["boundary_iou"]
    assert [row["iou"] for row in results["per_class"]] == expected["per_category_iou"].tolist()
    assert results["images"] == 5 and results["images_per_second"] > 0
    assert len({row["iou"] for row in results["per_class"]}) > 1


@pytest.mark.parametrize("options", [{"flip": True}, {"scales": (0.5, 1.0, 1.5)}])
def test_several_views_are_scored(model, options):
    results = evaluate_segmentation(model, tiny_samples(2), num_labels=4, short_side=64, **options)
    assert 0 <= results["mean_iou"] <= 1


@pytest.mark.slow
def test_two_processes_score_as_one_and_count_no_image_twice(model, tmp_path):
    alone = evaluate_segmentation(model, tiny_samples(5), num_labels=4, short_side=32)
    script = Path(__file__).parents[1] / "evaluate_ranks.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    run = subprocess.run(
        [*command, str(script), str(tmp_path / "two.json")], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    two = json.loads((tmp_path / "two.json").read_text())
    alone.pop("images_per_second"), two.pop("images_per_second")
    assert two == alone and two["images"] == 5


def test_stand_ins_for_unreadable_rows_are_left_out(model):
    samples = tiny_samples(3)
    expected = evaluate_segmentation(model, samples[:2], num_labels=4)
    samples[2] = {**samples[0], "skipped": 1}
    results = evaluate_segmentation(model, samples, num_labels=4)
    assert results["images"] == 2 and results["skipped"] == 1
    assert results["mean_iou"] == expected["mean_iou"]


def test_an_ignored_label_of_any_value_works(model):
    expected = evaluate_segmentation(model, tiny_samples(3), num_labels=4)
    for ignore_index in (-100, 65535):
        results = evaluate_segmentation(
            model,
            tiny_samples(3, ignore_index=ignore_index),
            num_labels=4,
            ignore_index=ignore_index,
        )
        assert results["mean_iou"] == expected["mean_iou"]
        assert results["boundary_iou"] == expected["boundary_iou"]


def test_a_score_over_one_class_is_said_to_be_one(model, caplog):
    image = tiny_samples(1)[0]["image"]
    labels = np.where(np.arange(image.shape[1]) < 5, 255, 0) * np.ones((len(image), 1), int)
    evaluate_segmentation(model, [{"id": "a", "image": image, "labels": labels}])
    assert "hold only class 0 (0), besides the ignored value 255" in caplog.text


def test_the_mode_of_every_module_comes_back():
    model = tiny_model().train()
    model.decode_head.batch_norm.eval()  # frozen
    evaluate_segmentation(model, tiny_samples(1), num_labels=4)
    assert model.training and not model.decode_head.batch_norm.training


def test_the_most_common_class_everywhere_is_the_baseline():
    samples = tiny_samples(3)
    label = most_common_label(samples, num_labels=4)
    labels = np.concatenate([sample["labels"].ravel() for sample in samples])
    labels = labels[labels != 255]
    counts = np.bincount(labels, minlength=4)
    assert counts[label] == counts.max()
    results = evaluate_constant(samples, label, num_labels=4)
    assert results["overall_accuracy"] == counts[label] / counts.sum()
    assert results["mean_iou"] == pytest.approx(results["overall_accuracy"] / 4)


def test_bad_input_is_named(model):
    samples = tiny_samples(2)
    samples[1]["labels"][5, 5] = 4
    with pytest.raises(ValueError, match=r"drawn\[1\].*4"):
        evaluate_segmentation(model, samples, num_labels=4)
    blank = [{**samples[0], "labels": np.full_like(samples[0]["labels"], 255)}]
    with pytest.raises(ValueError, match="no pixel has a label"):
        evaluate_segmentation(model, blank, num_labels=4)
    with pytest.raises(ValueError, match="must be an image to evaluate, got 0"):
        evaluate_segmentation(model, [], num_labels=4)
    with pytest.raises(ValueError, match="scales"):
        evaluate_segmentation(model, samples, num_labels=4, scales=())
    broken = tiny_model()
    torch.nn.init.constant_(broken.decode_head.classifier.bias, float("nan"))
    with pytest.raises(ValueError, match=r"drawn\[0\].*not finite"):
        evaluate_segmentation(broken, samples, num_labels=4)


def test_results_file_round_trips(model, tmp_path):
    metrics = evaluate_segmentation(model, tiny_samples(2, num_labels=2), num_labels=4)
    spec = get_spec("camvid", path="somewhere", id2label={c: str(c) for c in range(4)})
    path = tmp_path / "run" / "results.json"
    written = write_results(
        path, metrics, model, spec, {"split": "test", "training": {"steps": 3, "seed": 0}}
    )
    assert read_results(path) == written
    assert written["metrics"]["mean_iou"] == metrics["mean_iou"]
    assert written["dataset"] == {
        "name": "camvid",
        "path": "somewhere",
        "split": "test",
        "revision": None,
        "images": 2,
    }
    assert written["model"]["parameters"] == sum(p.numel() for p in model.parameters())
    assert written["versions"]["torch"] == torch.__version__
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_undefined_numbers_are_null_in_the_file(model, tmp_path):
    spec = get_spec("camvid", path="somewhere", id2label={0: "a", 1: "b"})
    metrics = {"mean_iou": float("nan"), "images": 1, "per_class": [{"id": 0, "iou": np.float64("nan")}]}
    write_results(tmp_path / "r.json", metrics, model, spec, {"split": "test"})
    text = (tmp_path / "r.json").read_text()
    assert "NaN" not in text
    assert read_results(tmp_path / "r.json")["metrics"]["mean_iou"] is None


@pytest.mark.parametrize("key", ["dataset.images", "commit", "versions.torch", "metrics"])
def test_reading_names_the_missing_key(model, tmp_path, key):
    spec = get_spec("camvid", path="somewhere", id2label={0: "a", 1: "b"})
    path = tmp_path / "r.json"
    results = write_results(path, {"mean_iou": 0.5, "images": 1}, model, spec, {"split": "test"})
    *parents, last = key.split(".")
    inner = results
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    path.write_text(json.dumps(results))
    with pytest.raises(ValueError, match=f"'{key}' is missing"):
        read_results(path)


def test_results_that_lack_something_are_not_written(model, tmp_path):
    spec = get_spec("camvid", path="somewhere", id2label={0: "a", 1: "b"})
    with pytest.raises(ValueError, match=r"dataset\.split"):
        write_results(tmp_path / "r.json", {"mean_iou": 0.5, "images": 1}, model, spec, {})
    assert not list(tmp_path.iterdir())


def test_tables_line_up():
    results = evaluate_constant(
        tiny_samples(2, num_labels=2), 0, num_labels=3, id2label={0: "sky", 1: "tree"}
    )
    table = per_class_table(results["per_class"])
    assert "0 sky" in table and "2 2" in table and "-" in table.splitlines()[-1]
    assert len({len(line) for line in table.splitlines()}) == 1
    overall = overall_table({"constant": results, "trained": {**results, "mean_iou": 0.5}})
    assert "50.00" in overall and len({len(line) for line in overall.splitlines()}) == 1
