"""Depth runs through the same loop as segmentation: train, resume, results, prediction, evaluation."""

import json

import datasets
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tiny_depth import BTS, GLPN, OPTIONS
from tiny_training import check_resume, train
from transformers import AutoModelForDepthEstimation, SegformerConfig, SegformerForImageClassification

from sapa_hf import SapaBtsForDepthEstimation, SapaGlpnForDepthEstimation
from sapa_hf.data import Samples, get_spec, load_split
from sapa_hf.evaluation import read_results
from sapa_hf.scripts.evaluate import main as evaluate
from sapa_hf.scripts.predict import main as predict
from sapa_hf.tasks import DepthTask
from sapa_hf.training import Trainer, as_settings, parse_arguments

pytestmark = pytest.mark.repeated  # segmentation stands for the other tasks, too


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glpn")
    return folder, train(folder, *GLPN, "pictures=1", task=DepthTask)


def test_a_run_leaves_models_results_and_pictures(run):
    folder, trainer = run
    results = read_results(folder / "results.json")
    assert results["task"] == "depth-estimation" and results["dataset"]["images"] == 2
    assert {"abs_rel", "rmse", "delta1", "silog"} <= set(results["metrics"])
    assert results["evaluation"]["metric"] == {"crop": "eigen"}
    assert f"{results['metrics']['abs_rel']:.4f}" in trainer.table
    strip = Image.open(next((folder / "pictures").glob("*.png")))
    assert strip.height > 240 and strip.width > 3 * 240
    model = AutoModelForDepthEstimation.from_pretrained(folder / "best")
    assert isinstance(model, SapaGlpnForDepthEstimation)
    assert json.loads((folder / "best" / "preprocessor_config.json").read_text())["image_processor_type"] == (
        "GLPNImageProcessor"
    )


def test_a_resumed_run_equals_one_without_interruption(run, tmp_path):
    check_resume(run[0], tmp_path, *GLPN, "pictures=0", task=DepthTask, step=6)


def test_predict_writes_millimetres_and_a_picture_with_a_scale(run, tmp_path):
    folder, _ = run
    photo = np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "room.png")
    out = tmp_path / "out"
    assert (
        predict(["--model", str(folder / "best"), "--output_dir", str(out), str(tmp_path / "room.png")]) == 0
    )
    depth = Image.open(out / "room_depth.png")
    assert depth.mode == "I;16" and depth.size == (70, 45)
    model = AutoModelForDepthEstimation.from_pretrained(folder / "best").eval()
    pixels = torch.from_numpy(photo / 255).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = model(pixels).predicted_depth[0].numpy() * 1000
    np.testing.assert_allclose(np.asarray(depth), expected, atol=0.6)
    picture = Image.open(out / "room_colours.png")
    assert picture.mode == "RGB" and picture.height == 45 and picture.width > 70


def test_evaluate_scores_a_saved_model_as_training_did(run, tmp_path, capsys):
    folder, _ = run
    spec = get_spec("scenes", **yaml.safe_load(OPTIONS))
    samples = Samples(load_split(spec, "test"), spec, target="depth")
    rows = [{"id": s["id"], "image": Image.fromarray(s["image"]), "depth_map": s["labels"]} for s in samples]
    data = tmp_path / "rooms"
    _write_parquet(rows, data)
    output = tmp_path / "again.json"
    evaluate(
        ["--model", str(folder / "best"), "--dataset", "nyu_depth_v2", "--data_path", str(data)]
        + ["--crop", "eigen", "--output", str(output), "--cpu"]
    )
    before, after = read_results(folder / "results.json"), read_results(output)
    assert after["task"] == "depth-estimation" and "abs_rel" in capsys.readouterr().out
    np.testing.assert_allclose(after["metrics"]["abs_rel"], before["metrics"]["abs_rel"], rtol=1e-3)


def _write_parquet(rows, folder):
    for row in rows:
        row["depth_map"] = Image.fromarray((row["depth_map"] * 1000).round().astype(np.uint16))
    features = {"id": datasets.Value("string"), "image": datasets.Image(), "depth_map": datasets.Image()}
    (folder / "data").mkdir(parents=True)
    table = datasets.Dataset.from_list(rows, features=datasets.Features(features))
    table.to_parquet(str(folder / "data" / "test-00000-of-00001.parquet"))


def test_bts_trains_with_its_encoders_first_layers_frozen(tmp_path):
    trainer = train(tmp_path, *BTS, task=DepthTask)
    model = trainer.accelerator.unwrap_model(trainer.model)
    assert isinstance(model, SapaBtsForDepthEstimation)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    norms = {n for n, _ in model.named_parameters() if n.startswith("resnet") and ".normalization." in n}
    assert frozen == {n for n in norms if "shortcut" not in n} | {
        "resnet.embedder.embedder.convolution.weight"
    }
    decays = {group["name"]: group["weight_decay"] for group in trainer.optimizer.param_groups}
    assert decays["head"] == 0 and decays["backbone"] == 0.01


def test_glpn_starts_from_an_imagenet_segformer(tmp_path):
    shape = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}
    encoder = SegformerForImageClassification(SegformerConfig(**shape, num_labels=9))
    encoder.save_pretrained(tmp_path)
    task = DepthTask(
        parse_arguments(
            [f"checkpoint={tmp_path}", "architecture=glpn", "model_config={decoder_hidden_size: 16}"]
        )
    )
    model = task.build_model()
    weight = encoder.segformer.stages[0].patch_embeddings.proj.weight
    assert torch.equal(model.glpn.encoder.patch_embeddings[0].proj.weight, weight)
    assert len(model.config.id2label) == 2


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["architecture=dpt"], "bts, glpn"),
        (["transform={angle: 3}"], "transform has no angle.*rotation"),
        (["metric={crops: eigen}"], "metric has no crops.*crop"),
    ],
)
def test_options_that_depth_does_not_have_are_refused(tokens, text):
    with pytest.raises(ValueError, match=text):
        DepthTask(parse_arguments(["task=depth-estimation", *tokens]))


def test_a_frozen_pattern_that_fits_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="resnext.*no parameter"):
        train(tmp_path, *BTS, "frozen=[resnext]", task=DepthTask)


def test_the_bts_recipe_has_the_papers_settings():
    settings = as_settings(parse_arguments(["bts_nyu"]))
    paper = """
        {checkpoint: microsoft/resnet-50, upsampler_embedding_dim: 64, batch_size: 4, max_steps: 302900,
         learning_rate: 1.0e-4, head_lr_multiplier: 1, adam_epsilon: 1.0e-3, weight_decay: 0.01,
         head_weight_decay: 0, no_decay: [], power: 0.9, min_lr: 1.0e-5, warmup_steps: 0, max_grad_norm: null,
         flip: 0.5, photometric: true, eval_steps: 500, mixed_precision: "no"}
    """
    for key, value in yaml.safe_load(paper).items():
        assert settings[key] == value, key
    assert settings["metric"] == {"crop": "eigen", "min_depth": 1e-3, "max_depth": 10}
    transform = DepthTask(parse_arguments(["bts_nyu"])).transform()
    assert transform.crop_size == (416, 544) and transform.frame == [43, 45, 608, 472]
    assert (transform.rotation, transform.flip, transform.photometric) == (2.5, 0.5, 0.5)
    with torch.device("meta"):
        model = DepthTask(parse_arguments(["bts_nyu", "checkpoint=null"])).build_model()
    assert (model.config.silog_variance_focus, model.config.silog_scale) == (0.85, 10)
    assert sum(p.numel() for p in model.parameters()) == 47_974_132


@pytest.mark.slow
def test_the_bts_recipe_runs_on_nyu(sapa_data, tmp_path):
    """With the paper's settings; only path, steps, crop, batch and, for speed, the network's size differ."""
    tokens = [
        "bts_nyu",
        f"data_path={sapa_data / 'nyu_depth_v2'}",
        "transform.crop_size=[96, 128]",
        "batch_size=2",
        "max_steps=2",
        "eval_limit=2",
        "checkpoint=null",
        "model_config.hidden_sizes=[8, 8, 16, 16]",
        "model_config.decoder_hidden_size=32",
        "upsampler_embedding_dim=4",
        "eval_short_side=64",
        "num_workers=0",
        "pictures=1",
        "tracker=none",
        "cpu=true",
        f"output_dir={tmp_path}",
    ]
    arguments = parse_arguments(tokens)
    table = Trainer(DepthTask(arguments), arguments).train()
    assert read_results(tmp_path / "results.json")["dataset"]["images"] == 654
    assert "nyu_depth_v2 test" in table
