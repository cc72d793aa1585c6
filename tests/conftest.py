"""What every test shares: one thread a process, no Hub, and the real data where it exists."""

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

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sapa_data() -> Path:
    """Folder of the real data sets, named by SAPA_DATA."""
    folder = os.environ.get("SAPA_DATA")
    if not folder:
        pytest.skip("SAPA_DATA names no folder with the real data sets")
    return Path(folder).resolve()
