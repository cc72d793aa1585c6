"""The swap on networks of other libraries, as these are: they are kept apart from this environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from interpreter import run_python

FOLDER = Path(__file__).parents[2] / "build" / "libraries"  # stays between runs
# torchvision's release goes with one of torch's.
LIBRARIES = ("torchvision==0.28.0", "timm==1.0.31", "segmentation_models_pytorch==0.6.0")


@pytest.fixture(scope="module")
def libraries():
    """A folder of the libraries alone: what they need is here, but for their own torch."""
    if not torch.__version__.startswith("2.13."):
        pytest.skip(f"torchvision 0.28 goes with torch 2.13, not {torch.__version__}")
    made = FOLDER / "-".join(name.replace("==", "-") for name in LIBRARIES)
    if not made.is_dir():
        unfinished = made.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        install = [
            "install",
            "--quiet",
            "--no-deps",
            "--retries",
            "1",
            "--timeout",
            "20",
            "--target",
            unfinished,
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *map(str, install), *LIBRARIES], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"pip could not install {', '.join(LIBRARIES)}: {done.stderr[-300:]}")
        unfinished.rename(made)
    return made


@pytest.mark.slow
def test_networks_of_other_libraries_are_replaced_without_editing_them(libraries):
    tests = Path(__file__).with_name("real_libraries.py")
    environment = os.environ | {"SAPA_TEST_LIBRARIES": str(libraries), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run_python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", tests, env=environment
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
