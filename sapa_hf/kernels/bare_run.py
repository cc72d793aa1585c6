"""Run in an interpreter of its own: load an assembled kernel as a stranger would, and say what it computes.

Usage: `python -IB bare_run.py REPOSITORY INPUTS.safetensors OUTPUTS.safetensors`. The kernel gets torch and
the package `kernels`; any attempt to import this project, or what it brings along, fails.
"""

import importlib.abc
import sys
from pathlib import Path

ABSENT = ("sapa_hf", "transformers", "accelerate", "datasets", "evaluate")


class Absent(importlib.abc.MetaPathFinder):
    """Pretend that only torch and `kernels` are installed."""

    def find_spec(self, name: str, path=None, target=None) -> None:
        """Refuse what a kernel must do without."""
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}: the kernel must stand alone", name=name)


def main(repository: str, source: str, target: str) -> None:
    """Upsample, forward and backward."""
    sys.meta_path.insert(0, Absent())
    import torch
    from kernels import get_local_kernel
    from safetensors.torch import load_file, save_file

    inputs = {name: tensor.requires_grad_() for name, tensor in load_file(source).items()}
    output = get_local_kernel(Path(repository)).sapa_upsample(**inputs)
    gradients = torch.autograd.grad(output.sum(), list(inputs.values()))
    save_file({"output": output.detach(), **dict(zip(inputs, gradients, strict=True))}, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
