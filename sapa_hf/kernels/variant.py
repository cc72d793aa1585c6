"""What a variant folder holds beside the library: generated modules and metadata.json with digests."""

import base64
import hashlib
import json
from pathlib import Path

CUDA_ARCHITECTURES = ("8.0", "9.0+PTX")
OPS = '''"""Loads the compiled library and names its operators."""

from pathlib import Path

import torch

torch.ops.load_library(str(Path(__file__).parent / "{id}.abi3.so"))
ops = torch.ops.{id}


def add_op_namespace_prefix(op_name: str) -> str:
    """Give an operator's full name."""
    return f"{id}::{{op_name}}"
'''
PACKAGE = '''"""The same kernel under its package name, for loaders of the older layout."""

import importlib.util
import sys
from pathlib import Path

if "{id}" not in sys.modules:
    _file = Path(__file__).parent.parent / "__init__.py"
    _spec = importlib.util.spec_from_file_location("{id}", _file)
    sys.modules["{id}"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["{id}"])
globals().update(vars(sys.modules["{id}"]))
'''


def write_modules(variant: Path, name: str) -> None:
    """Add the generated modules: the operators' names, and the package's name one folder deeper."""
    (variant / "_ops.py").write_text(OPS.format(id=name))
    inner = variant / "sapa"
    inner.mkdir()
    (inner / "__init__.py").write_text(PACKAGE.format(id=name))


def write_metadata(variant: Path, name: str, backend: str, general: dict) -> None:
    """Write metadata.json with the SHA-256 digest of every other file of the variant."""
    files = sorted(f for f in variant.rglob("*") if f.is_file())
    digests = {
        f.relative_to(variant).as_posix(): base64.b64encode(hashlib.sha256(f.read_bytes()).digest()).decode()
        for f in files
    }
    archs = {"archs": list(CUDA_ARCHITECTURES)} if backend == "cuda" else {}
    metadata = {
        "id": name,
        "name": general["name"],
        "version": general["version"],
        "license": general["license"],
        "python-depends": [],
        "backend": {"type": backend, **archs},
        "digest": {"algorithm": "sha256", "files": digests},
    }
    (variant / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
