"""What every test shares: one thread a process, no Hub, and the real data where it exists."""

import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Some virtual machines advertise AMX and then trap its instructions: bf16 matrix products kill the process.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")
# A kernel built while the suite runs would change the last bits from one process to the next.
os.environ.setdefault("SAPA_BACKEND", "plain")

import pytest
import torch
from safetensors import safe_open

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sapa_data() -> Path:
    """Folder of the real data sets, named by SAPA_DATA."""
    folder = os.environ.get("SAPA_DATA")
    if not folder:
        pytest.skip("SAPA_DATA names no folder with the real data sets")
    return Path(folder).resolve()


@pytest.fixture(autouse=True)
def seeded():
    """Give every test the same random numbers, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def golden():
    """Path of the operator's float64 golden vectors."""
    return Path(__file__).parent / "golden" / "sapa_golden.safetensors"


@pytest.fixture
def heads_golden():
    """The cases of the golden vectors with heads and every border, as dictionaries of tensors and options."""
    file = Path(__file__).parent / "golden" / "heads_and_shift.safetensors"
    with safe_open(file, "pt") as tensors:
        cases = json.loads(tensors.metadata()["cases"])
        for key in tensors.keys():  # noqa: SIM118
            number, name = key.removeprefix("case").split(".")
            cases[int(number)][name] = tensors.get_tensor(key)
    return cases
