"""Matting runs through the same loop as the other tasks: train, resume, results, prediction, publishing."""

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from matting_scenes import disc, trimap_of, write_adobe, write_parquet
from PIL import Image
from tiny_matting import MATTING
from tiny_training import check_resume, train
from transformers import AutoImageProcessor, AutoModelForImageMatting

import sapa_hf.publishing.card
from sapa_hf import SapaA2uMattingForImageMatting
from sapa_hf.data.adobe_folders import list_compositions
from sapa_hf.evaluation import read_results
from sapa_hf.load import load_model, load_processor
from sapa_hf.publishing import assemble_folder, check_folder, find_results
from sapa_hf.scripts.evaluate import main as evaluate
from sapa_hf.scripts.predict import main as predict
from sapa_hf.tasks import MattingTask
from sapa_hf.tasks.matting import evaluate_half
from sapa_hf.training import parse_arguments

pytestmark = pytest.mark.repeated  # segmentation stands for the other tasks, too


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_parquet(tmp_path_factory.mktemp("matting") / "photos")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, train(folder, *MATTING, f"data_path={data}", task=MattingTask)


def test_a_run_leaves_models_results_and_pictures(run):
    folder, trainer = run
    results = read_results(folder / "results.json")
    assert results["task"] == "image-matting" and results["dataset"]["images"] == 2
    assert {"sad", "mse", "grad", "conn"} <= set(results["metrics"])
    assert f"{results['metrics']['sad']:.3f}" in trainer.table
    assert Image.open(next((folder / "pictures").glob("*.png"))).width > 4 * 256
    assert isinstance(
        AutoModelForImageMatting.from_pretrained(folder / "best"), SapaA2uMattingForImageMatting
    )


def test_a_resumed_run_equals_one_without_interruption(run, data, tmp_path):
    check_resume(run[0], tmp_path, *MATTING, f"data_path={data}", task=MattingTask, step=6)


def test_compositions_are_learnt_with_their_colours(tmp_path):
    root = write_adobe(tmp_path / "adobe")
    for split, photos in (("train", "training_photos"), ("test", "test_photos")):
        list_compositions(root, root / photos, split, tmp_path / "lists", progress=False)
    settings = [*MATTING, "dataset=composition_1k", f"data_path={tmp_path / 'lists'}", "max_steps=2"]
    train(tmp_path / "run", *settings, "eval_limit=2", task=MattingTask)
    results = read_results(tmp_path / "run" / "results.json")
    assert results["dataset"]["images"] == 40 and results["metrics"]["sad"] > 0


def test_files_are_predicted_beside_trimaps_of_their_names(run, tmp_path, capsys):
    model, processor = load_model(run[0] / "best"), load_processor(run[0] / "best")
    (_, norm, _), last = model.decode_head.prediction
    norm.weight.data.zero_()  # one half wherever it is asked
    norm.bias.data.fill_(0.5)
    last.weight.data.fill_(1 / 9)
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    photo, alpha = disc(7)
    for folder in ("photos", "trimaps"):
        (tmp_path / folder).mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "hair.png")
    Image.fromarray(photo).save(tmp_path / "photos" / "alone.png")
    Image.fromarray(trimap_of(alpha)).save(tmp_path / "trimaps" / "hair.bmp")
    arguments = [
        "--model",
        str(tmp_path / "model"),
        "--output_dir",
        str(tmp_path / "out"),
        str(tmp_path / "photos"),
    ]
    assert predict([*arguments, "--trimaps", str(tmp_path / "trimaps"), "--quiet"]) == 1
    assert "must have one trimap alone.*" in capsys.readouterr().err
    found = np.asarray(Image.open(tmp_path / "out" / "hair_alpha.png"))
    known = (alpha == 0) | (alpha == 255)
    assert found.shape == alpha.shape and (found[known] == alpha[known]).all()
    assert (found[~known] == 128).all()
    composite = np.asarray(Image.open(tmp_path / "out" / "hair_composite.png"))
    assert (composite[alpha == 255] == photo[alpha == 255]).all()
    assert set(np.unique(composite[alpha == 0])) == {170, 230}
    assert predict([*arguments, "--quiet"]) == 1
    assert "give trimaps" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="trimaps must be a folder"):
        predict([*arguments, "--trimaps", str(tmp_path / "photos" / "hair.png")])


def test_a_saved_model_is_scored_as_its_run_was(run, data, tmp_path, capsys):
    arguments = [
        "--model",
        str(run[0] / "best"),
        "--dataset",
        "alphamatting",
        "--data_path",
        str(data),
        "--cpu",
    ]
    evaluate([*arguments, "--output", str(tmp_path / "results.json")])
    expected = read_results(run[0] / "results.json")["metrics"]
    found = read_results(tmp_path / "results.json")["metrics"]
    for key in ("sad", "mse", "grad", "conn"):
        assert found[key] == pytest.approx(expected[key], rel=1e-4)


def test_one_half_is_scored_by_what_the_mattes_are():
    photo, alpha = disc(8)
    trimap = trimap_of(alpha)
    sample = {"id": "a", "image": np.dstack([photo, trimap]), "labels": alpha, "skipped": 0}
    error = np.abs(0.5 - alpha[trimap == 128] / 255)
    found = evaluate_half([sample])
    assert found["sad"] == pytest.approx(error.sum() / 1000) and found["mse"] == pytest.approx(
        (error**2).mean()
    )


@pytest.mark.slow
def test_its_card_s_example_runs_and_the_folder_stands_alone(run, tmp_path, monkeypatch):
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))
    hub = assemble_folder(run[0] / "best", tmp_path / "hub", find_results(run[0]))
    card = ModelCard.load(hub / "README.md")
    assert card.data.pipeline_tag == "image-matting" and "SAD, thousands" in card.text
    photo, alpha = disc(9)
    Image.fromarray(photo).save(tmp_path / "photo.jpg")
    Image.fromarray(trimap_of(alpha)).save(tmp_path / "trimap.png")
    code = card.text.split("```python\n")[1].split("```")[0]
    repository, revision = card.data.model_name or hub.name, 'revision = "'
    lines = [f'repository = "{hub}"' if x.startswith("repository = ") else x for x in code.splitlines()]
    lines = ['revision = "main"' if line.startswith(revision) else line for line in lines]
    assert "trimaps=trimap" in code and repository
    scope = {}
    monkeypatch.chdir(tmp_path)
    exec("\n".join(lines), scope)
    processor = AutoImageProcessor.from_pretrained(hub)
    values = processor(
        images=Image.fromarray(photo), trimaps=Image.fromarray(trimap_of(alpha)), return_tensors="pt"
    )
    assert values["pixel_values"].shape == (1, 4, 48, 48)
    known = torch.from_numpy((alpha == 0) | (alpha == 255))
    assert torch.allclose(scope["alpha"][known], torch.from_numpy(alpha / 255).float()[known], atol=1e-6)
    assert check_folder(hub) <= 1e-6


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("eval_short_side=64", "`eval_short_side` applies only to depth-estimation and image-segmentation"),
        (
            "transform={gamma: [1, 1]}",
            "transform has no gamma for image-matting; it has rotation, shear, trimap, zoom",
        ),
        ("frozen=[a]", "`frozen` applies only to depth-estimation"),
    ],
)
def test_settings_of_other_tasks_are_refused(setting, text):
    with pytest.raises(ValueError, match=text):
        MattingTask(parse_arguments([*MATTING, setting]))


def test_scoring_needs_trimaps(data):
    task = MattingTask(parse_arguments([*MATTING, f"data_path={data}", "data_fields={trimap_column: null}"]))
    with pytest.raises(ValueError, match="must name a trimap_column, got none"):
        task.prepare()


def test_the_recipes_are_the_paper_s_and_a_small_one():
    paper, small = (MattingTask(parse_arguments([name])) for name in ("a2u_composition1k", "a2u_small"))
    assert paper.arguments.optimization.milestones == [120000, 156000]
    assert small.build_model().num_parameters() < 300_000
