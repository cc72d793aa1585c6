"""Depth models publish as segmentation does: card with depth results, auto classes, pipeline."""

import re
import runpy

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from tiny_depth import BTS, GLPN
from tiny_training import train
from transformers import AutoImageProcessor, pipeline

import sapa_hf.publishing.card
from sapa_hf.publishing import assemble_folder, check_folder, find_results
from sapa_hf.publishing.card import set_revision
from sapa_hf.tasks import DepthTask


@pytest.fixture(scope="module", params=[GLPN, BTS], ids=["glpn", "bts"])
def folder(request, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    train(run, *request.param, "max_steps=1", task=DepthTask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))  # quick to count
        return assemble_folder(run / "best", run / "hub" / "tiny-depth", find_results(run))


def test_the_card_shows_the_measured_errors_as_they_are(folder):
    card = ModelCard.load(folder / "README.md")
    assert card.data.pipeline_tag == "depth-estimation" and card.data.license == "apache-2.0"
    values = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert {"abs_rel", "rmse", "delta1"} <= set(values)
    assert f"| abs rel (lower is better) | {values['abs_rel']:.4f} |" in card.text
    assert "{{" not in card.text.split("```bibtex")[0] and "{%" not in card.text


def test_the_example_in_the_card_runs(folder, tmp_path, monkeypatch):
    set_revision(folder, "0123456789" * 4)
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL).group(1)
    monkeypatch.chdir(tmp_path)
    Image.new("L", (64, 40)).save("photo.jpg")
    (tmp_path / "example.py").write_text(code.replace("ORGANISATION/NAME", str(folder)))
    assert runpy.run_path("example.py")["depth"].shape == (40, 64)


def test_the_depth_pipeline_runs_on_it(folder):
    estimate = pipeline(
        "depth-estimation", model=str(folder), image_processor=AutoImageProcessor.from_pretrained(folder)
    )
    photo = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    result = estimate(Image.fromarray(photo))
    assert tuple(result["predicted_depth"].shape[-2:]) == (40, 64) and result["depth"].size == (64, 40)


@pytest.mark.slow
def test_it_loads_where_the_package_is_not(folder):
    assert check_folder(folder) <= 1e-6
