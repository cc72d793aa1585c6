"""The notebooks run from their first cell to their last, each in a process of its own."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from interpreter import run_python
from other_libraries import TORCHVISION, install_apart
from PIL.Image import fromarray

from sapa_hf.data.scenes.raycast import render
from sapa_hf.data.scenes.rooms import random_room

TESTS = Path(__file__).parent
NOTEBOOKS = TESTS.parent / "notebooks"


def code(name):
    """Give the code of a notebook's cells, in order."""
    cells = json.loads((NOTEBOOKS / name).read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.slow
def test_lora_learns_beside_the_encoder_and_saves_the_head_with_it(tmp_path):
    pytest.importorskip("peft", reason="the notebook on LoRA needs peft, of the extra `test`")
    check = """
from safetensors.torch import load_file
saved = load_file("rooms-lora/adapter_model.safetensors")
assert losses[-1] < 0.8 * losses[0], losses
assert any("lora_B" in name and value.any() for name, value in saved.items()), list(saved)
assert any("decode_head" in name and "lora" not in name for name in saved), list(saved)
"""
    done = run_python("-c", code("lora.ipynb") + check, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_transformers_trainer_learns_camvid(tmp_path):
    rooms_as_camvid(tmp_path / "camvid")
    check = """
from transformers import AutoModelForSemanticSegmentation
import sapa_hf
losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
assert losses[-1] < 0.9 * losses[0], losses
assert after > before, (before, after)
again = AutoModelForSemanticSegmentation.from_pretrained("camvid-sapa-b/final").eval()
image = test[0]["pixel_values"][None]
with torch.no_grad():
    torch.testing.assert_close(again(image).logits, model.eval()(image.to(model.device)).logits.cpu())
"""
    shorter = code("trainer_camvid.ipynb").replace("STEPS = 200", "STEPS = 24")
    done = run_python("-c", shorter + check, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def rooms_as_camvid(folder):
    """Write rendered rooms in CamVid's form: photos, and class maps of values below its 11."""
    rng = np.random.default_rng(0)
    features = Features(id=Value("string"), image=Image(), annotation=Image())
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 12), ("test", 4)):
        rooms = [render(*random_room(rng), 60, 80, rng) for _ in range(count)]
        rows = {
            "id": [f"{split}{number}" for number in range(count)],
            "image": [fromarray(image) for image, _, _ in rooms],
            "annotation": [fromarray(labels.astype(np.uint8)) for _, labels, _ in rooms],
        }
        Dataset.from_dict(rows, features).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")


@pytest.mark.slow
def test_a_unet_of_another_library_learns_on_with_sapa(tmp_path):
    folder = install_apart(TORCHVISION, "timm==1.0.31", "segmentation_models_pytorch==0.6.0")
    check = """
assert with_nearest[-1] < 0.9 * with_nearest[0], with_nearest
assert with_sapa[0] < with_nearest[0] and with_sapa[-1] < with_sapa[0], with_sapa
saved = torch.load("unet-sapa.pt", weights_only=True)
assert any("query_guide" in name for name in saved)
"""
    beside = f"import sys; sys.path.append({str(TESTS)!r})\nimport torchvision_on_cpu\n"
    environment = os.environ | {"SAPA_TEST_LIBRARIES": str(folder)}
    done = run_python("-c", beside + code("swap_smp_unet.ipynb") + check, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "decoder.blocks.0" in done.stdout and "SAPA" in done.stdout
