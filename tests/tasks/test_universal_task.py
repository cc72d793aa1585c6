"""MaskFormer and Mask2Former in training: resume, encoders' checkpoints, predictions, published folders."""

import json
import shutil

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from tiny_training import train, weights
from transformers import SwinConfig, SwinForImageClassification
from universal_contract import LITE, MASK2FORMER, MASKFORMER

import sapa_hf.publishing.card
from sapa_hf.predict import load_predictor
from sapa_hf.publishing import assemble_folder, check_folder, find_results
from sapa_hf.tasks import SegmentationTask
from sapa_hf.training import parse_arguments

pytestmark = pytest.mark.repeated  # segmentation stands for the other tasks, too

FIELDS = {"maskformer": MASKFORMER, "mask2former": MASK2FORMER}


def settings(network, **fields):
    return [f"architecture={network}", f"model_config={json.dumps(FIELDS[network] | fields)}"]


@pytest.fixture(scope="module", params=FIELDS)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    train(folder, *settings(request.param, backbone_config=LITE), "max_steps=4", "checkpoint_steps=2")
    return request.param, folder


def test_training_resumes_to_the_same_bits_whatever_the_loss_draws(run, tmp_path):
    network, folder = run
    shutil.copytree(folder, tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-00000004")
    train(
        tmp_path / "cut",
        *settings(network, backbone_config=LITE),
        "max_steps=4",
        "checkpoint_steps=2",
        "--resume",
    )
    again = weights(tmp_path / "cut", 4)
    assert all(torch.equal(again[name], value) for name, value in weights(folder, 4).items())


def test_a_photo_is_predicted_at_its_size(run):
    predictor = load_predictor(run[1] / "best")
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert predictor.predict(photo).shape == (40, 50)


@pytest.mark.slow
def test_its_card_says_what_it_is_and_the_folder_stands_alone(run, tmp_path, monkeypatch):
    network, folder = run
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))
    hub = assemble_folder(folder / "best", tmp_path / "hub" / network, find_results(folder))
    card = ModelCard.load(hub / "README.md")
    assert (
        "by masks that a transformer proposes" in card.text
        and "AutoModelForUniversalSegmentation" in card.text
    )
    assert "`sapa_efficientnet_lite` with 8, 16, 32, 80 channels" in card.text
    assert network in card.data.tags and "{{" not in card.text.split("```bibtex")[0]
    assert check_folder(hub) <= 1e-6


def test_the_decoders_learn_at_the_head_s_rate_and_the_classes_may_change(tmp_path):
    task = SegmentationTask(parse_arguments(["maskformer_lite0_camvid", "checkpoint=null"]))
    model = task.build_model()
    own = [name for name, _ in model.named_parameters() if not name.startswith(task.head)]
    assert own and all(name.startswith("model.pixel_level_module.encoder.") for name in own)
    model.save_pretrained(tmp_path)
    task = SegmentationTask(
        parse_arguments(["maskformer_lite0_camvid", "dataset=scenes", f"checkpoint={tmp_path}"])
    )
    other = task.build_model()  # ten classes, not eleven
    assert other.class_predictor.out_features == 11
    assert torch.equal(other.backbone.conv_stem.weight, model.backbone.conv_stem.weight)


def test_a_swin_classifier_starts_the_encoder(tmp_path):
    fields = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
    swin = SwinForImageClassification(SwinConfig(**fields, num_labels=5))
    swin.save_pretrained(tmp_path)
    for network in FIELDS:
        arguments = [
            *settings(network, backbone_config=fields | {"model_type": "swin"}),
            f"checkpoint={tmp_path}",
        ]
        model = SegmentationTask(parse_arguments(arguments)).build_model()
        model.save_pretrained(tmp_path / network)  # under the Hub's names, which the classifier has too
        ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / network, tmp_path))
        kept = {name for name in theirs if name.startswith("swin.encoder.") and "downsample" not in name}
        start = "model.pixel_level_module.encoder." + ("model." if network == "maskformer" else "")
        assert len(kept) > 40
        assert all(torch.equal(ours[start + name.removeprefix("swin.")], theirs[name]) for name in kept)
