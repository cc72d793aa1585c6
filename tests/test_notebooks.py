"""The notebooks run from their first cell to their last, each in a process of its own."""

import json
from pathlib import Path

import pytest
from interpreter import run_python

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


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
