"""A kernel's folder on this machine: its variants, and loading one of them."""

import base64
import hashlib
import importlib.util
import json
import sys
import threading
from pathlib import Path
from types import ModuleType

import torch

# Folders below build/ of a kernel repository, by the device they are compiled for.
VARIANTS = {
    "cpu": "torch-stable-abi211-cpu-x86_64-linux",
    "cuda": "torch-stable-abi211-cu130-x86_64-linux",
}
loading = threading.RLock()  # a module is known to Python before its code has run


def fitting_variants() -> tuple[str, ...]:
    """Name the variants that this torch can load, the preferred one first: CUDA's needs CUDA 13."""
    return ("cuda", "cpu") if (torch.version.cuda or "").startswith("13.") else ("cpu",)


def load_local(path: Path) -> ModuleType:
    """Import a kernel from a repository on this machine, or from one of its variant folders.

    Needs no `kernels` package. The digests in metadata.json are checked first.

    Raises:
        FileNotFoundError: No variant there fits this torch.
        ValueError: A file is not the one that was built.
    """
    folder = find_variant(Path(path).absolute())
    metadata = json.loads((folder / "metadata.json").read_text())
    with loading:  # a name found in sys.modules is also one that `kernels` loaded
        return sys.modules.get(metadata["id"]) or _import_variant(folder, metadata)


def _import_variant(folder: Path, metadata: dict) -> ModuleType:
    for file, digest in metadata["digest"]["files"].items():
        if base64.b64encode(hashlib.sha256((folder / file).read_bytes()).digest()).decode() != digest:
            raise ValueError(f"{folder / file} is not the file that was built; build the kernel again")
    name = metadata["id"]
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:
        del sys.modules[name]
        raise
    return module


def find_variant(path: Path) -> Path:
    """Give the variant folder that fits this torch: the path itself, or one below its build folder.

    Raises:
        FileNotFoundError: There is none.
    """
    if (path / "metadata.json").is_file():
        return path
    for backend in fitting_variants():
        folder = path / "build" / VARIANTS[backend]
        if (folder / "metadata.json").is_file():
            return folder
    raise FileNotFoundError(f"{path} holds no build for torch {torch.__version__}")
