"""The compiled kernel that tests run: built where that has not been done, or the reason why there is none."""

from pathlib import Path

import pytest
import torch
from filelock import FileLock

from sapa_hf.kernels import default_output, local_build
from sapa_hf.kernels.builder import build
from sapa_hf.kernels.compilers import find_compiler


def built_kernel() -> Path:
    """Give a kernel repository with a build of the present sources."""
    output = default_output()
    with FileLock(output / "build.lock"):
        if local_build() is None:
            if find_compiler() is None:
                pytest.skip("no kernel is built and there is no C++ compiler")
            build("cuda" if torch.version.cuda else "cpu", output)
    return local_build()
