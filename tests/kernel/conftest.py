"""A kernel repository with a build for this machine, or the reason why there is none."""

import pytest
import torch
from filelock import FileLock

from sapa_hf.kernels import default_output, local_build
from sapa_hf.kernels.builder import build
from sapa_hf.kernels.compilers import find_compiler


@pytest.fixture(scope="session")
def repository():
    """The kernel built from the present sources; compiled first where that has not been done."""
    output = default_output()
    with FileLock(output / "build.lock"):
        if local_build() is None:
            if find_compiler() is None:
                pytest.skip("no kernel is built and there is no C++ compiler")
            build("cuda" if torch.version.cuda else "cpu", output)
    return local_build()


@pytest.fixture(autouse=True)
def automatic(monkeypatch):
    """Let these tests choose the backend; the rest of the suite runs plain PyTorch."""
    monkeypatch.delenv("SAPA_BACKEND", raising=False)
