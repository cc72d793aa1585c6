"""Checking an assembled kernel repository: loaded without this project, it must compute the definition."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from sapa_hf.modeling import sapa_upsample

TOLERANCE = 1e-5  # of the largest value: sums of floats may be taken in another order
SECONDS = 600


def check_repository(folder: Path) -> float:
    """Run an assembled kernel in an interpreter that has only torch and `kernels`.

    Args:
        folder: As `assemble_repository` wrote it; the variant that fits this torch runs.

    Returns:
        The largest difference from the definition, of the output and of the gradients.

    Raises:
        RuntimeError: It does not load alone, or computes something else.
    """
    generator = torch.Generator().manual_seed(0)
    shapes = {"query": (2, 13, 9, 8), "key": (2, 6, 4, 8), "value": (2, 6, 4, 5)}
    inputs = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    found = _run_alone(folder, inputs)
    query, key, value = (tensor.requires_grad_() for tensor in inputs.values())
    output = sapa_upsample(query, key, value, backend="definition")
    gradients = torch.autograd.grad(output.sum(), (query, key, value))
    expected = {"output": output.detach(), **dict(zip(inputs, gradients, strict=True))}
    differences = {name: (found[name] - expected[name]).abs().max().item() for name in expected}
    for name, difference in differences.items():
        scale = max(1.0, expected[name].abs().max().item())
        if not difference <= TOLERANCE * scale:  # nan agrees with nothing
            raise RuntimeError(
                f"{folder}: the kernel's {name} differs from the definition by {difference:.3g}"
            )
    return max(differences.values())


def _run_alone(folder: Path, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the output and the gradients by the inputs' names."""
    with tempfile.TemporaryDirectory() as scratch:
        source, target = f"{scratch}/inputs.safetensors", f"{scratch}/outputs.safetensors"
        save_file(inputs, source)
        script = str(Path(__file__).with_name("bare_run.py"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [sys.executable, "-IB", script, str(folder.resolve()), source, target],
            cwd=scratch,
            env=kept | {"HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"{folder} does not load by itself:\n{done.stderr[-3000:].strip()}")
        return load_file(target)
