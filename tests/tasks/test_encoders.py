"""UperNet and other encoders in training: starting weights, parameter groups, normalisation, publishing."""

import json
import logging

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open
from tiny_training import train

import sapa_hf.publishing.card
from sapa_hf import SapaEfficientNetLiteBackbone, SapaEfficientNetLiteConfig
from sapa_hf.predict import load_predictor
from sapa_hf.publishing import assemble_folder, check_folder, find_results
from sapa_hf.tasks import DepthTask, SegmentationTask
from sapa_hf.training import parse_arguments
from sapa_hf.training.arguments import OptimizationArguments
from sapa_hf.training.optimizer import build_optimizer, parameter_groups

LITE = {"model_type": "sapa_efficientnet_lite", "width_multiplier": 0.25, "depth_multiplier": 0.3}
ENCODER = f"model_config.backbone_config={json.dumps(LITE)}"
UPERNET = ["architecture=upernet", "model_config={hidden_size: 16, auxiliary_channels: 8}", ENCODER]
SEGFORMER = ["model_config={decoder_hidden_size: 8}", ENCODER]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(folder, *UPERNET, "max_steps=2", "eval_steps=2")
    return folder


def test_upernet_trains_and_predicts_on_another_encoder(run):
    predictor = load_predictor(run / "best")
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert predictor.predict(photo).shape == (40, 50)
    processor = json.loads((run / "best" / "preprocessor_config.json").read_text())
    assert processor["image_mean"] == [0.5, 0.5, 0.5] and processor["image_std"] == [0.5, 0.5, 0.5]


@pytest.mark.slow
def test_upernet_s_card_says_what_it_is(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))
    folder = assemble_folder(run / "best", tmp_path / "hub" / "tiny-upernet", find_results(run))
    card = ModelCard.load(folder / "README.md")
    assert "The top-down path of this model upsamples by similarity" in card.text
    assert "`sapa_efficientnet_lite` with 8, 16, 32, 80 channels" in card.text and "41.47" in card.text
    assert "upernet" in card.data.tags and "{{" not in card.text.split("```bibtex")[0]
    assert check_folder(folder) <= 1e-6


def test_an_encoder_s_checkpoint_starts_the_encoder_and_the_head_is_listed_as_new(tmp_path, caplog):
    encoder = SapaEfficientNetLiteBackbone(SapaEfficientNetLiteConfig(0.25, 0.3))
    encoder.save_pretrained(tmp_path / "encoder")
    settings = parse_arguments(
        [*SEGFORMER, f"checkpoint={tmp_path / 'encoder'}", "upsampler_embedding_dim=4"]
    )
    with caplog.at_level(logging.INFO, logger="sapa_hf.tasks.warm_start"):
        model = SegmentationTask(settings).build_model()
    assert all(torch.equal(v, encoder.state_dict()[k]) for k, v in model.backbone.state_dict().items())
    assert "new parameters and buffers: decode_head." in caplog.text and "backbone" not in caplog.text


def test_the_encoder_learns_at_its_own_rate(tmp_path):
    task = SegmentationTask(parse_arguments(["segformer_lite0_camvid", "checkpoint=null"]))
    model = task.build_model()
    groups = {
        group["name"]: group for group in parameter_groups(model, task.arguments.optimization, task.head)
    }
    assert {name: group["lr"] for name, group in groups.items()} == pytest.approx(
        {"backbone": 2e-4, "backbone without decay": 2e-4, "head": 1e-3}
    )
    assert all(name.startswith("backbone.") for name in groups["backbone"]["parameter_names"])
    assert all(".bn" in name for name in groups["backbone without decay"]["parameter_names"])
    assert task.transform().crop_size == (192, 256)


def test_real_weights_start_the_pilot_s_network(sapa_data):
    folder = sapa_data / "encoders" / "tf_efficientnet_lite0"
    task = SegmentationTask(parse_arguments(["segformer_lite0_camvid", f"checkpoint={folder}"]))
    model = task.build_model()
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert torch.equal(
            model.backbone.blocks[6][0].conv_pwl.weight, file.get_tensor("blocks.6.0.conv_pwl.weight")
        )
    assert len(model.decode_head.upsamplers) == 6 and model.config.decoder_hidden_size == 96


def test_bts_is_built_on_an_encoder_with_a_map_at_a_half(tmp_path):
    settings = ["task=depth-estimation", "model_config={decoder_hidden_size: 32}", ENCODER]
    task = DepthTask(parse_arguments(settings))
    assert task.build_model().backbone.channels == [8, 8, 16, 32, 80] and task.architecture.mean == (0.5,) * 3


def test_an_encoder_that_the_settings_do_not_name_is_refused(tmp_path):
    SapaEfficientNetLiteBackbone(SapaEfficientNetLiteConfig(0.25, 0.3)).save_pretrained(tmp_path)
    task = SegmentationTask(parse_arguments([f"checkpoint={tmp_path}"]))
    with pytest.raises(
        ValueError, match="set model_config.backbone_config.model_type=sapa_efficientnet_lite"
    ):
        task.build_model()


def test_an_unknown_field_of_the_encoder_is_refused():
    task = SegmentationTask(parse_arguments([*SEGFORMER, "model_config.backbone_config.depth_multipler=2"]))
    with pytest.raises(
        ValueError, match=r"model_config.backbone_config.depth_multipler is not a field.*depth_m"
    ):
        task.build_model()


def test_sgd_has_the_same_groups():
    model = torch.nn.ModuleDict({"backbone": torch.nn.Linear(2, 2), "decode_head": torch.nn.Linear(2, 2)})
    arguments = OptimizationArguments(optimizer="sgd", momentum=0.8, learning_rate=0.01)
    optimizer = build_optimizer(model, arguments, ["decode_head."])
    assert isinstance(optimizer, torch.optim.SGD)
    assert {group["name"]: (group["lr"], group["momentum"]) for group in optimizer.param_groups} == {
        "backbone": (0.01, 0.8),
        "head": (pytest.approx(0.1), 0.8),
    }
