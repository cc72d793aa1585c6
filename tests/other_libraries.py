"""Libraries that are kept apart from this environment, because one that needs another torch would harm it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from interpreter import run_python

FOLDER = Path(__file__).parents[1] / "build" / "libraries"  # stays between runs
TORCHVISION = "torchvision==0.28.0"  # its release goes with one of torch's


def install_apart(*libraries):
    """Give a folder of the libraries alone: what they need is here, but for their own torch."""
    if not torch.__version__.startswith("2.13."):
        pytest.skip(f"torchvision 0.28 goes with torch 2.13, not {torch.__version__}")
    made = FOLDER / "-".join(name.replace("==", "-") for name in libraries)
    if not made.is_dir():
        unfinished = made.with_suffix(f".{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        install = ["install", "--quiet", "--no-deps", "--retries", "1", "--timeout", "20"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *install, "--target", str(unfinished), *libraries],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"pip could not install {', '.join(libraries)}: {done.stderr[-300:]}")
        unfinished.rename(made)
    return made


def run_tests_beside(folder, tests):
    """Run a file of tests in a process of its own, which finds the libraries in SAPA_TEST_LIBRARIES."""
    environment = os.environ | {"SAPA_TEST_LIBRARIES": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    done = run_python("-m", "pytest", *options, tests, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
