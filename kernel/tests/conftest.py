"""Loads the kernel under test and says why a device cannot be tested."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
# The plain form in bfloat16: torch takes AMX where the processor names it, which some virtual machines
# then refuse with an illegal instruction.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

import pytest
import torch

torch.set_num_threads(1)


def _load_kernel():
    """The kernel of this checkout, compiled first where that has not been done."""
    pytest.importorskip("sapa_hf.kernels", reason="sapa_hf builds the kernel")
    from filelock import FileLock

    from sapa_hf.kernels import default_output, local_build
    from sapa_hf.kernels.builder import build
    from sapa_hf.kernels.compilers import find_compiler
    from sapa_hf.modeling.kernel_folder import load_local

    output = default_output()
    output.mkdir(parents=True, exist_ok=True)
    with FileLock(output / "build.lock"):
        if local_build() is None:
            if find_compiler() is None:
                pytest.skip("no kernel is built and there is no C++ compiler")
            build("cuda" if torch.version.cuda else "cpu", output)
    return load_local(local_build())


@pytest.fixture(scope="session")
def sapa():
    return _load_kernel()


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return request.param
