"""A new task is one module: here brightness, which the package has never heard of."""

import json

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from tiny_training import log_lines, train
from toy_brightness import ToyBrightnessConfig, ToyBrightnessForImageToImage
from transformers import AutoConfig, AutoModelForImageToImage, ViTImageProcessorPil

import sapa_hf.publishing.card
from sapa_hf.evaluation import read_results
from sapa_hf.load import load_model
from sapa_hf.scripts.evaluate import main as evaluate
from sapa_hf.scripts.predict import main as predict
from sapa_hf.scripts.publish import main as publish
from sapa_hf.tasks import TASKS, Architecture, Figure, ImageTask, register_task
from sapa_hf.tasks.photo_input import PhotoInput

CARD = """---
{{ card_data }}
---
# {{ name }}
{% for title, value in measured.overall %}{{ title }}: {{ value }}{% endfor %}
"""


class WholeBrightness(PhotoInput):
    @torch.no_grad()
    def predict(self, model, image, name="image"):
        return model(self.pixel_values(image)).reconstruction[0, 0].numpy()


class BrightnessScores:
    def __init__(self):
        self.sums = torch.zeros(2, dtype=torch.float64)

    def add(self, prediction, sample):
        errors = np.abs(prediction - sample["image"].mean(-1) / 255)
        self.sums += torch.tensor([errors.sum(), errors.size])

    def reduce(self, reduce, device):
        self.sums = reduce(self.sums)

    def results(self):
        return {"mae": float(self.sums[0] / self.sums[1])}


class BrightnessPredictor:
    def __init__(self, model, inference):
        self.model, self.inference = model, inference

    def predict(self, image, name="image"):
        return self.inference.predict(self.model, image, name)

    def pictures(self, image, prediction):
        return {"brightness": Image.fromarray((255 * prediction.clip(0, 1)).astype(np.uint8))}


class BrightnessTask(ImageTask):
    name = "image-to-image"
    auto_classes = (AutoModelForImageToImage,)
    figures = (Figure("mae", "error", lower_is_better=True),)
    card_metrics = {"mae": "mean absolute error"}
    target = "labels"

    @classmethod
    def inference(cls, processor, **options):
        return WholeBrightness(processor, **options)

    @classmethod
    def scores(cls, spec):
        return BrightnessScores()

    @classmethod
    def predictor(cls, model, processor, **options):
        return BrightnessPredictor(model, cls.inference(processor, **options))

    def build_model(self):
        return ToyBrightnessForImageToImage(ToyBrightnessConfig())

    def processor(self):
        return ViTImageProcessorPil(do_resize=False, do_normalize=False)

    def transform(self):
        def scaled(image, labels, rng):
            pixels = image.astype(np.float32) / 255
            return pixels.transpose(2, 0, 1), pixels.mean(-1)

        return scaled

    def weight(self, batch):
        return torch.tensor(batch["labels"].numel())

    def strip(self, sample, prediction):
        return Image.fromarray(sample["image"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished training of the toy task."""
    card = tmp_path_factory.mktemp("card") / "toy.md"
    card.write_text(CARD)
    toy = Architecture(ToyBrightnessForImageToImage, head=("head.",), card=card, tags=("toy",))
    BrightnessTask.architectures = {"toy": toy}
    AutoConfig.register("toy_brightness", ToyBrightnessConfig, exist_ok=True)
    AutoModelForImageToImage.register(ToyBrightnessConfig, ToyBrightnessForImageToImage, exist_ok=True)
    ToyBrightnessConfig.register_for_auto_class()
    ToyBrightnessForImageToImage.register_for_auto_class("AutoModelForImageToImage")
    register_task(BrightnessTask)
    folder = tmp_path_factory.mktemp("run")
    yield folder, train(folder, "learning_rate=0.1", "pictures=1", task=BrightnessTask)
    del TASKS[BrightnessTask.name]


def test_it_trains_and_its_best_weights_have_the_least_error(run):
    folder, trainer = run
    results = read_results(folder / "results.json")
    assert results["task"] == "image-to-image"
    lines = [line for line in log_lines(folder) if "mae" in line.get("evaluation", {})]
    errors = {line["step"]: line["evaluation"]["mae"] for line in lines}
    assert results["training"]["best_step"] == min(errors, key=errors.get)
    assert f"{results['metrics']['mae']:.4f}" in trainer.table
    assert list((folder / "pictures").glob("*.png"))
    assert isinstance(load_model(folder / "best"), ToyBrightnessForImageToImage)


def test_it_evaluates_from_the_command_line(run, tmp_path, capsys):
    data = tmp_path / "data"
    (data / "test").mkdir(parents=True)
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(photo).save(data / "test" / "a.png")
    Image.fromarray(photo[..., 0] % 2).save(data / "test" / "a_mask.png")
    names = {"image_file_name": "a.png", "annotation_file_name": "a_mask.png"}
    (data / "test" / "metadata.jsonl").write_text(json.dumps(names))
    (data / "id2label.json").write_text(json.dumps({0: "even", 1: "odd"}))
    arguments = ["--model", str(run[0] / "best"), "--dataset", "custom", "--data_path", str(data), "--cpu"]
    evaluate([*arguments, "--split", "test", "--output", str(tmp_path / "results.json")])
    results = read_results(tmp_path / "results.json")
    assert results["task"] == "image-to-image" and 0 < results["metrics"]["mae"] < 1
    assert f"{results['metrics']['mae']:.4f}" in capsys.readouterr().out
    with pytest.raises(
        SystemExit, match="`crop` applies only to depth-estimation; the task of .* is image-to"
    ):
        evaluate([*arguments, "--crop", "eigen"])


def test_it_predicts_files(run, tmp_path):
    Image.new("RGB", (50, 40), "white").save(tmp_path / "a.png")
    arguments = ["--model", str(run[0] / "best"), "--output_dir", str(tmp_path / "out"), "--quiet"]
    assert predict([*arguments, str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "out" / "a_brightness.png") as picture:
        assert picture.size == (50, 40)


@pytest.mark.slow
def test_it_is_published_and_loads_in_a_bare_interpreter(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))  # quick to count
    publish(["--run", str(run[0]), "--output_dir", str(tmp_path / "hub")])
    card = ModelCard.load(tmp_path / "hub" / "README.md")
    assert card.data.pipeline_tag == "image-to-image" and "toy" in card.data.tags
    assert f"mean absolute error: {read_results(run[0] / 'results.json')['metrics']['mae']:.4f}" in card.text
    assert (tmp_path / "hub" / "toy_brightness.py").is_file()
    assert "loaded it without sapa_hf" in capsys.readouterr().out
