"""The evaluation script scores a saved model on a data set."""

import json
from pathlib import Path

import numpy as np
import pytest
from accelerate import Accelerator
from interpreter import run_python
from PIL import Image
from published import save_model
from tiny_segmentation import evaluate_segmentation, tiny_model, tiny_samples
from transformers import SegformerImageProcessorPil

from sapa_hf.data import get_spec
from sapa_hf.evaluation import evaluate_model, read_results
from sapa_hf.load import load_model
from sapa_hf.scripts import evaluate as evaluate_script


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A saved tiny model with its processor."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, tiny_model())
    return folder


@pytest.fixture
def data_folder(tmp_path):
    """The tiny samples as an image folder with metadata."""
    folder = tmp_path / "data" / "test"
    folder.mkdir(parents=True)
    lines = []
    for number, sample in enumerate(tiny_samples(3)):
        Image.fromarray(sample["image"]).save(folder / f"{number}.png")
        Image.fromarray(sample["labels"].astype(np.uint8)).save(folder / f"{number}_mask.png")
        names = {"image_file_name": f"{number}.png", "annotation_file_name": f"{number}_mask.png"}
        lines.append(json.dumps({"id": f"drawn[{number}]"} | names))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    (tmp_path / "data" / "id2label.json").write_text(json.dumps({c: f"class {c}" for c in range(4)}))
    return tmp_path / "data"


def test_the_evaluation_command_line_scores_a_saved_model(model_folder, data_folder, tmp_path, capsys):
    output = tmp_path / "results.json"
    evaluate_script.main(
        ["--model", str(model_folder), "--dataset", "custom", "--data_path", str(data_folder)]
        + ["--split", "test", "--output", str(output), "--cpu"]
    )
    processor = SegformerImageProcessorPil(size={"height": 64, "width": 64})
    expected = evaluate_segmentation(
        load_model(model_folder), tiny_samples(3), processor=processor, short_side=None
    )
    results = read_results(output)
    assert results["metrics"]["mean_iou"] == expected["mean_iou"]
    assert results["per_class"][1]["iou"] == expected["per_class"][1]["iou"]
    assert results["dataset"]["images"] == 3 and results["evaluation"]["size"] == "height 64, width 64"
    printed = capsys.readouterr().out
    assert "class 1" in printed and f"{100 * expected['mean_iou']:.2f}" in printed


def test_the_evaluation_command_line_takes_the_fields_of_a_data_set(model_folder, data_folder, capsys):
    lines = data_folder / "test" / "metadata.jsonl"
    lines.write_text(lines.read_text().replace("annotation_file_name", "mask_file_name"))
    command = ["--model", str(model_folder), "--dataset", "custom", "--data_path", str(data_folder), "--cpu"]
    evaluate_script.main([*command, "--limit", "1", "--data_fields", "{label_column: mask}"])
    assert "class 1" in capsys.readouterr().out
    for fields, reason in (("[1]", "must be a mapping"), ("{label: mask}", "no field label")):
        with pytest.raises(SystemExit):
            evaluate_script.main([*command, "--data_fields", fields])
        assert reason in capsys.readouterr().err


def test_a_model_of_other_classes_is_refused(model_folder, data_folder):
    names = {c: str(c) for c in range(7)}
    spec = get_spec("custom", path=str(data_folder), id2label=names)
    with pytest.raises(ValueError, match="4 classes but custom has 7"):
        evaluate_model(str(model_folder), spec, "test", Accelerator(cpu=True))


@pytest.mark.slow
def test_running_a_script_by_its_path_finds_the_evaluate_library():
    script = Path(
        evaluate_script.__file__
    )  # scripts/evaluate.py, first on its own path, has the library's name
    run = run_python(script, "--help")
    assert run.returncode == 0 and "--data_path" in run.stdout, run.stderr
