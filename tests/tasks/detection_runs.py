"""Detection runs through the same loop as the other tasks: run by test_detection_task.py."""

import torchvision_on_cpu  # noqa: F401  # before torchvision

# isort: split

import numpy as np
import pytest
from boxes_scenes import rectangles, write_boxes
from huggingface_hub import ModelCard
from PIL import Image
from tiny_training import check_resume, log_lines, train

import sapa_hf.publishing.card
from sapa_hf import SapaFasterRcnnForObjectDetection
from sapa_hf.evaluation import read_results
from sapa_hf.modeling import modeling_sapa_faster_rcnn as network
from sapa_hf.publishing import assemble_folder, find_results
from sapa_hf.scripts.evaluate import main as evaluate
from sapa_hf.scripts.predict import main as predict
from sapa_hf.tasks import DetectionTask

DETECTION = [
    "task=object-detection",
    "dataset=coco_detection",
    "model_config={backbone: resnet18, trainable_layers: 5, shortest_edge: 64, longest_edge: 96}",
    "batch_size=2",
    "max_steps=12",
    "eval_steps=12",
    "checkpoint_steps=12",
    "learning_rate=3e-4",
    "head_lr_multiplier=1",
    "max_grad_norm=5",
    "power=0",
    "pictures=1",
]


def few_regions(build):
    """Look at few regions: their pooling is slow in plain torch."""

    def built(config):
        detector = build(config)
        detector.rpn._post_nms_top_n = {"training": 30, "testing": 30}
        detector.roi_heads.fg_bg_sampler.batch_size_per_image = 16
        return detector

    return built


network.build_detector = few_regions(network.build_detector)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_boxes(tmp_path_factory.mktemp("detection") / "photos")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, train(folder, *DETECTION, f"data_path={data}", task=DetectionTask)


def test_the_loss_falls_and_the_run_leaves_models_results_and_pictures(run):
    folder, trainer = run
    losses = [line["loss"] for line in log_lines(folder) if "loss" in line]
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])
    results = read_results(folder / "results.json")
    assert results["task"] == "object-detection" and results["dataset"]["images"] == 3
    assert 0 <= results["metrics"]["ap"] <= results["metrics"]["ap50"] <= 1
    assert f"{100 * results['metrics']['ap']:.2f}" in trainer.table
    assert Image.open(next((folder / "pictures").glob("*.png"))).width > 2 * 320
    model = SapaFasterRcnnForObjectDetection.from_pretrained(folder / "best")
    assert model.config.id2label == {0: "tall", 1: "wide"}


def test_a_resumed_run_equals_one_without_interruption(run, data, tmp_path):
    check_resume(run[0], tmp_path, *DETECTION, f"data_path={data}", task=DetectionTask, step=12)


def test_a_saved_model_is_scored_as_its_run_was(run, data, tmp_path):
    arguments = ["--model", str(run[0] / "best"), "--dataset", "coco_detection", "--data_path", str(data)]
    evaluate([*arguments, "--cpu", "--output", str(tmp_path / "results.json")])
    expected = read_results(run[0] / "results.json")["metrics"]
    found = read_results(tmp_path / "results.json")["metrics"]
    assert found["ap"] == pytest.approx(expected["ap"], abs=1e-4)


def test_found_boxes_are_drawn_on_files(run, tmp_path):
    photo, _ = rectangles(7)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    arguments = ["--model", str(run[0] / "best"), "--output_dir", str(tmp_path / "out"), "--quiet"]
    assert not predict([*arguments, "--min_score", "0", str(tmp_path / "photo.png")])
    drawn = np.asarray(Image.open(tmp_path / "out" / "photo_boxes.png"))
    assert drawn.shape == photo.shape and (drawn != photo).any()
    with pytest.raises(SystemExit, match="min_score must lie in 0..1, got 2"):
        predict([*arguments, "--min_score", "2", str(tmp_path / "photo.png")])


def test_its_card_says_what_it_is_and_its_example_runs(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))
    hub = assemble_folder(run[0] / "best", tmp_path / "hub", find_results(run[0]))
    card = ModelCard.load(hub / "README.md")
    assert card.data.pipeline_tag == "object-detection" and "| AP |" in card.text
    Image.fromarray(rectangles(9)[0]).save(tmp_path / "photo.jpg")
    code = card.text.split("```python\n")[1].split("```")[0]
    lines = [f'repository = "{hub}"' if x.startswith("repository = ") else x for x in code.splitlines()]
    lines = ['revision = "main"' if line.startswith('revision = "') else line for line in lines]
    scope = {}
    monkeypatch.chdir(tmp_path)
    exec("\n".join(lines), scope)
    assert scope["found"]["boxes"].shape == (len(scope["found"]["scores"]), 4)
