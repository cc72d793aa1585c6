"""A kernel repository with a build for this machine, or the reason why there is none."""

import pytest
import torch
from filelock import FileLock

from sapa_hf import kernel_build
from sapa_hf.kernel import default_output, local_build


@pytest.fixture(scope="session")
def repository():
    """The kernel built from the present sources; compiled first where that has not been done."""
    output = default_output()
    with FileLock(output / "build.lock"):
        if local_build() is None:
            if kernel_build.find_compiler() is None:
                pytest.skip("no kernel is built and there is no C++ compiler")
            kernel_build.build("cuda" if torch.version.cuda else "cpu", output)
    return local_build()


@pytest.fixture(autouse=True)
def automatic(monkeypatch):
    """Let these tests choose the kernel; the rest of the suite runs the reference."""
    monkeypatch.delenv("SAPA_KERNEL", raising=False)
