"""The README's Python runs as it stands, and what its commands name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sapa_hf.training import recipe_names

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(), re.S)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = "\n".join(code for language, code in BLOCKS if language == "bash")


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[-1][:40])
def test_python_block_runs_as_it_stands(code, tmp_path):
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_there_are_python_blocks():
    assert len(PYTHON) == 2


@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/\w+\.py", SHELL))))
def test_script_that_a_command_names_is_there_and_explains_itself(script):
    root = README.parent
    assert (root / script).is_file()
    done = subprocess.run([sys.executable, script, "--help"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0 and "usage" in done.stdout.lower(), done.stderr[-2000:]


def test_recipes_make_targets_and_pictures_that_it_names_are_there():
    root = README.parent
    named = set(re.findall(r"(?:train|study)\.py ([\w/]+)", SHELL))
    assert "table4/kernel_7" in named and named <= set(recipe_names())
    targets = set(re.findall(r"^(\w+):", (root / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make (\w+)", SHELL, re.M)) <= targets
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README.read_text()):
        assert (root / link).exists(), link
