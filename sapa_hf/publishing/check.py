"""Checking a published folder: loaded where sapa_hf is not installed, it must compute the same."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from sapa_hf.modeling import use_backend

from ..load import load_model
from .bare_load import flattened

TOLERANCE = 1e-6  # of the largest output; usually the outputs are equal, but sums may be split otherwise
SECONDS = 600


def check_folder(folder: str | Path) -> float:
    """Load a folder in a separate interpreter without sapa_hf, and compare its outputs with the package's.

    Args:
        folder: A published folder; its own code runs in the other interpreter.

    Returns:
        The largest difference.

    Raises:
        RuntimeError: The folder does not load alone, or computes something else.
    """
    model = load_model(folder)
    channels = getattr(model.config, "num_channels", 3)
    pixels = torch.randn(1, channels, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), use_backend("plain"):
        expected = flattened(model(pixels)[0])
    found = run_alone(folder, pixels)
    if any(output.shape != expected.shape for output in found.values()):
        raise RuntimeError(f"{folder}, loaded without sapa_hf, gives outputs of other sizes than the model.")
    difference = max((output - expected).abs().max().item() for output in found.values())
    tolerance = TOLERANCE * max(1.0, expected.abs().max().item())
    if not difference <= tolerance:  # nan agrees with nothing
        raise RuntimeError(
            f"{folder}, loaded without sapa_hf, differs from the model by {difference:.3g}, more than "
            f"{tolerance:.3g}. Is its code older than the package?"
        )
    return difference


def run_alone(folder: str | Path, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run the folder's own code on an image batch, offline, once for each auto class of the model.

    Returns:
        Auto class -> its first output.

    Raises:
        RuntimeError: It failed; the message ends with what the other interpreter said.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, target = f"{scratch}/input.safetensors", f"{scratch}/output.safetensors"
        save_file({"pixel_values": pixels}, source)
        script = str(Path(__file__).with_name("bare_load.py"))
        command = [sys.executable, "-I", script, str(Path(folder).resolve()), source, target]
        result = subprocess.run(
            command,
            cwd=scratch,
            env=_clean_environment(scratch),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if result.returncode:
            raise RuntimeError(f"{folder} does not load without sapa_hf:\n{result.stderr[-3000:].strip()}")
        return load_file(target)


def _clean_environment(scratch: str) -> dict[str, str]:
    """Keep the environment but Python's own settings; code is cached in a folder that is thrown away.

    Both sides run the reference, so that no kernel's rounding is taken for a difference.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": scratch, "SAPA_BACKEND": "plain"}
