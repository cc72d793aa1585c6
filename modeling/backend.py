"""Which implementation of the operator runs: the choice of whoever runs a model, never saved with it."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from .affiliation_definition import affiliation_by_definition
from .affiliation_tiled import tiled_affiliation
from .affiliation_windowed import windowed_affiliation

AUTOMATIC = "auto"
PLAIN = "plain"
IMPLEMENTATIONS = {
    "definition": affiliation_by_definition,
    "tiled": tiled_affiliation,
    "windowed": windowed_affiliation,
}
HUB_COMMIT = re.compile(r"(\w[\w.-]*/\w[\w.-]*)@([0-9a-f]{40})")  # no path: "." begins none of its parts

_backend: str | None = None


def set_backend(backend: str | None) -> None:
    """Choose the implementation of the operator for this process.

    Args:
        backend: "auto" takes a compiled kernel named in LOCAL_KERNELS, else one built on this machine, else
            plain PyTorch. "plain" is plain PyTorch: tiles when run eagerly, windows where a graph without
            gradients is traced. "definition", "tiled" and "windowed" are its implementations by name. A path
            is a kernel repository or one of its variant folders. "owner/name@<40 hexadecimal digits>" is a
            commit of a kernel on the Hub. None leaves the choice to the environment variable SAPA_BACKEND,
            and to "auto" where that is unset.

    Raises:
        TypeError: The choice is not a string.
        ValueError: The choice is none of these; a Hub kernel needs its full commit hash.
    """
    global _backend
    if backend is not None:
        check_backend(backend)
    _backend = backend


@contextmanager
def use_backend(backend: str | None) -> Iterator[None]:
    """Choose the implementation inside a `with` block, as `set_backend` does."""
    before = _backend
    set_backend(backend)
    try:
        yield
    finally:
        set_backend(before)


def chosen_backend(backend: str | None = None) -> str:
    """Give the backend that counts: the argument, else the process's, else SAPA_BACKEND's, else "auto"."""
    if backend is None:
        backend = _backend
    return (os.environ.get("SAPA_BACKEND") or AUTOMATIC) if backend is None else backend


def plain_implementation(backend: str) -> Callable[..., torch.Tensor]:
    """Give the named implementation in plain PyTorch, or the one that suits where none is named."""
    if backend in IMPLEMENTATIONS:
        return IMPLEMENTATIONS[backend]
    return windowed_affiliation if _prefers_windows() else tiled_affiliation


def _prefers_windows() -> bool:
    """Say whether a graph without gradients is traced: there, and only there, fused gathers beat tiles."""
    if torch.compiler.is_exporting():
        return True
    return torch.compiler.is_compiling() and not torch.is_grad_enabled()


def may_compile(backend: str) -> bool:
    """Say whether a backend stands for a compiled kernel, where one can be had."""
    return backend != PLAIN and backend not in IMPLEMENTATIONS


def check_backend(backend: str) -> None:
    """Refuse what names no backend, and a kernel on the Hub without its full commit hash."""
    if not isinstance(backend, str):
        raise TypeError(f"backend must be a string, got {backend!r}.")
    if not may_compile(backend) or backend == AUTOMATIC or HUB_COMMIT.fullmatch(backend):
        return
    if _looks_like_path(backend):
        return
    names = ", ".join(f'"{name}"' for name in (AUTOMATIC, PLAIN, *IMPLEMENTATIONS))
    raise ValueError(
        f'backend must be {names}, a path, or "owner/name@<commit>" with a commit hash of 40 hexadecimal '
        f"digits, got {backend!r}. Branches and tags are refused: what they name can change."
    )


def _looks_like_path(backend: str) -> bool:
    if os.path.isabs(backend) or backend.startswith((".", "~")):
        return True
    return os.path.isdir(backend) and "@" not in backend
