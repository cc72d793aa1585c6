"""What the project's tests and the kernel's have in common."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open

GOLDEN = Path(__file__).parent / "tests" / "golden"


@pytest.fixture(autouse=True)
def seeded():
    """Give every test the same random numbers, whatever ran before it."""
    import torch  # not above: tests/ and kernel/tests/ set its environment first

    torch.manual_seed(0)


@pytest.fixture
def golden() -> Path:
    """Path of the operator's float64 golden vectors."""
    return GOLDEN / "sapa_golden.safetensors"


@pytest.fixture
def heads_golden() -> list[dict]:
    """The cases of the golden vectors with heads and every border: tensors and options by name."""
    with safe_open(GOLDEN / "heads_and_shift.safetensors", "pt") as tensors:
        cases = json.loads(tensors.metadata()["cases"])
        for key in tensors.keys():  # noqa: SIM118
            number, name = key.removeprefix("case").split(".")
            cases[int(number)][name] = tensors.get_tensor(key)
    return cases
