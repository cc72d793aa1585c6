"""SegNet in training: weights of classes, VGG's names, and a published folder."""

import json
import shutil

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import save_file
from tiny_training import train, weights
from torch import nn

import sapa_hf.publishing.card
from sapa_hf.predict import load_predictor
from sapa_hf.publishing import assemble_folder, check_folder, find_results
from sapa_hf.tasks import SegmentationTask
from sapa_hf.training import parse_arguments

SEGNET = [
    "architecture=segnet",
    "upsampler=max_unpool",
    "class_weights=median_frequency",
    "model_config={hidden_sizes: [8, 8, 8], depths: [1, 1, 1]}",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(folder, *SEGNET)
    return folder


def test_segnet_trains_resumes_to_the_same_bits_and_predicts(run, tmp_path):
    shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-00000008")
    train(tmp_path / "cut", *SEGNET, "--resume")
    again = weights(tmp_path / "cut", 8)
    assert all(torch.equal(again[name], value) for name, value in weights(run, 8).items())
    predictor = load_predictor(run / "best")
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert predictor.predict(photo).shape == (40, 50)


def test_the_classes_weights_are_saved_with_the_model_and_count_in_a_step(run):
    saved = json.loads((run / "best" / "config.json").read_text())["class_weights"]
    task = SegmentationTask(parse_arguments([*SEGNET, "data_fields={options: {count: 10, size: 32}}"]))
    assert task.class_weights == saved and len({*saved}) > 2
    labels = torch.tensor([[[0, 1, 255]]])
    assert task.weight({"labels": labels}).item() == pytest.approx(saved[0] + saved[1])


def test_weights_of_classes_are_refused_where_the_network_has_none():
    with pytest.raises(ValueError, match="class_weights must be null for SapaSegformerForSemanticSeg"):
        SegmentationTask(parse_arguments(["class_weights=median_frequency"]))


def test_vgg_s_checkpoint_starts_the_encoder(tmp_path):
    layers = [
        part for _ in range(2) for part in (nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
    ]
    vgg = nn.Sequential(*layers)  # two convolutions, as VGG-16's first block
    save_file(
        {f"features.{name}": value for name, value in vgg.state_dict().items()},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    (tmp_path / "config.json").write_text("{}")
    model = SegmentationTask(
        parse_arguments([*SEGNET, "model_config={hidden_sizes: [3], depths: [2]}", f"checkpoint={tmp_path}"])
    ).build_model()
    assert torch.equal(model.encoder.blocks[0][1].conv.weight, vgg[3].weight)
    assert torch.equal(model.encoder.blocks[0][1].norm.running_var, vgg[4].running_var)


@pytest.mark.slow
def test_segnet_s_card_says_what_it_is(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))
    folder = assemble_folder(run / "best", tmp_path / "hub" / "tiny-segnet", find_results(run))
    card = ModelCard.load(folder / "README.md")
    assert "The decoder of this model upsamples with max unpooling" in card.text
    assert "Figure 2" in card.text and "segnet" in card.data.tags
    assert "{{" not in card.text.split("```bibtex")[0]
    assert check_folder(folder) <= 1e-6
