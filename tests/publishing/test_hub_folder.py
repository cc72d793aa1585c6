"""A published folder in the hands of someone who has transformers and nothing of this project."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from published import edit_json, tiny_model, write_run

import sapa_hf.publishing
from sapa_hf.load import load_model
from sapa_hf.publishing import assemble_folder, check_folder, find_results

CODE = {
    "affiliation.py",
    "configuration_sapa_segformer.py",
    "modeling_sapa_segformer.py",
    "sapa.py",
    "segformer_head.py",
    "upsampler.py",
    "window.py",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("run"))
    return assemble_folder(run / "best", tmp_path_factory.mktemp("hub") / "tiny", find_results(run))


@pytest.fixture(scope="module")
def session(folder, tmp_path_factory):
    """One bare interpreter for all tests: offline, with a config that begs for compiled code."""
    scratch = tmp_path_factory.mktemp("bare")
    edit_json(folder / "config.json", kernel="someone/kernel", upsampler_backend="compiled")
    trap = folder / "build" / "torch-universal" / "kernel" / "__init__.py"
    trap.parent.mkdir(parents=True)
    trap.write_text("raise SystemExit('the trap was sprung')")
    Image.new("RGB", (80, 60), (90, 120, 200)).save(scratch / "photo.png")
    script, package = Path(__file__).parents[1] / "bare_session.py", Path(sapa_hf.publishing.__file__).parent
    arguments = [package, folder, scratch / "photo.png", scratch / "resaved", scratch / "report.json"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(scratch / "modules")}
    command = [sys.executable, "-I", str(script), *map(str, arguments)]
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads((scratch / "report.json").read_text()) | {"resaved": scratch / "resaved"}


def test_the_folder_is_complete(folder):
    names = {path.name for path in folder.iterdir()}
    needed = {
        "model.safetensors",
        "config.json",
        "preprocessor_config.json",
        "results.json",
        "README.md",
        "LICENSE",
    }
    assert needed | CODE <= names
    assert not any(name.endswith((".bin", ".pt", ".pth")) for name in names)
    auto_map = json.loads((folder / "config.json").read_text())["auto_map"]
    assert set(auto_map) == {"AutoConfig", "AutoModel", "AutoModelForSemanticSegmentation"}


@pytest.mark.slow
def test_auto_classes_load_it_without_sapa_hf(session):
    model = "SapaSegformerForSemanticSegmentation"
    assert session["classes"][:2] == [model, model]
    assert session["classes"][2].startswith("SegformerImageProcessor")
    assert all(module.startswith("transformers_modules.") for module in session["modules"])
    assert session["sapa_hf"] == [] and session["auto_models_agree"]


@pytest.mark.slow
def test_the_segmentation_pipeline_runs_on_it(session):
    assert session["segments"]
    names = tiny_model().config.id2label.values()
    assert all(label in names and size == [80, 60] for label, size in session["segments"])


@pytest.mark.slow
def test_saving_a_remotely_loaded_model_keeps_code_and_auto_map(session, folder):
    resaved = session["resaved"]
    assert {path.name for path in resaved.iterdir()} >= CODE
    maps = [json.loads((path / "config.json").read_text())["auto_map"] for path in (folder, resaved)]
    assert maps[0] == maps[1] and session["resaved_equal"]


@pytest.mark.slow
def test_a_config_makes_nobody_load_compiled_code_or_reach_the_net(session, folder):
    assert not [event for event in session["events"] if event[0] == "socket.connect"]
    assert not [event for event in session["events"] if str(folder) in event[1] or "kernel" in event[1]]


@pytest.mark.slow
def test_code_that_computes_something_else_is_found_out(folder, tmp_path):
    model = load_model(folder)
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_bytes((folder / "preprocessor_config.json").read_bytes())
    code = tmp_path / "modeling_sapa_segformer.py"
    code.write_text(code.read_text().replace("= self.decode_head(stages)", "= 2 * self.decode_head(stages)"))
    with pytest.raises(RuntimeError, match="differs from the model"):
        check_folder(tmp_path)


def test_the_package_loads_the_folder_without_remote_code(folder):
    model = load_model(folder)
    assert type(model) is type(tiny_model()) and not model.training
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(pixels).logits, tiny_model()(pixels).logits)
