"""A kernel repository with a build for this machine, and the freedom to choose it."""

import pytest
from built_kernel import built_kernel


@pytest.fixture(scope="session")
def repository():
    """The kernel built from the present sources; compiled first where that has not been done."""
    return built_kernel()


@pytest.fixture(autouse=True)
def automatic(monkeypatch):
    """Let these tests choose the backend; the rest of the suite runs plain PyTorch."""
    monkeypatch.delenv("SAPA_BACKEND", raising=False)
