"""The compiled kernel: where it comes from, and which calls it can run.

Nothing is downloaded or compiled unless the caller asks for it by name. Whatever goes wrong costs speed and a
warning, never the result.
"""

import logging
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.constants import HF_HUB_OFFLINE
from huggingface_hub.errors import LocalEntryNotFoundError
from torch.autograd import forward_ad

from .backend import AUTOMATIC, HUB_COMMIT, check_backend, may_compile
from .kernel_folder import VARIANTS, fitting_variants, load_local, loading, require_kernel

logger = logging.getLogger(__name__)

REPOSITORY = "sapa"  # the kernel's name on the Hub, whoever publishes it
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)

_modules: dict[str, ModuleType | None] = {}
_told: set[str] = set()


def find_kernel(
    backend: str,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    normalization: str = "softmax",
) -> ModuleType | None:
    """Give the kernel that can run this call, or None where plain PyTorch must.

    Export and tracing, which cannot carry a compiled operator, take plain PyTorch, as do tensors and
    normalizations that no kernel has, and derivatives that none has a rule for: forward mode and the
    transforms of torch.func but vmap.

    Args:
        backend: As `chosen_backend` gives it.
        query: (B, H', W', d).
        key: (B, H, W, d).
        value: (B, H, W, C).
        normalization: As in `sapa_upsample`.

    Returns:
        A module with the function `assemble`: `sapa_upsample` without its checks.

    Raises:
        ValueError: The backend is none that there is.
    """
    if not may_compile(backend):
        return None
    _require_known(backend)
    if torch.compiler.is_exporting() or torch.jit.is_tracing():
        return None
    if normalization != "softmax" or not {query.dtype, key.dtype, value.dtype} <= set(DTYPES):
        return None
    if is_transformed() or not _is_ready(backend, query.device.type, query.device.index or 0):
        return None
    return _modules[backend]


@torch.compiler.assume_constant_result
def _require_known(backend: str) -> bool:
    check_backend(backend)
    return True


@torch.compiler.assume_constant_result
def is_transformed() -> bool:
    """Say whether forward-mode AD, or a torch.func transform other than vmap, is at work around this call.

    No public function tells. While torch.compile traces, the transforms are at work as in eager mode, and its
    guards watch them.
    """
    functorch: Any = getattr(torch._C, "_functorch", None)
    layers: Iterable[Any] = getattr(functorch, "get_interpreter_stack", tuple)() or ()
    transformed = any(layer.key() != functorch.TransformType.Vmap for layer in layers)
    return transformed or getattr(forward_ad, "_current_level", -1) >= 0


@torch.compiler.assume_constant_result
def _is_ready(backend: str, device: str, index: int) -> bool:
    """Load the chosen kernel once, and tell whether it runs on this device."""
    with loading:
        if backend not in _modules:
            _modules[backend] = _load(backend)
    module = _modules[backend]
    if module is None or device not in ("cpu", "cuda"):
        return False
    if device == "cpu":
        return True
    operator = module.__name__ + "::forward"
    if not torch._C._dispatch_has_kernel_for_dispatch_key(operator, "CUDA"):
        _tell(f"The kernel {module.__name__} holds no CUDA code: tensors on the GPU take plain PyTorch.")
        return False
    return torch.cuda.get_device_capability(index) >= (8, 0)


def _load(backend: str) -> ModuleType | None:
    """Load what was chosen; whatever goes wrong costs speed and a warning, never the result."""
    try:
        if backend == AUTOMATIC:
            return _load_automatic()
        hub = HUB_COMMIT.fullmatch(backend)
        module = _load_from_hub(*hub.groups()) if hub else load_local(Path(backend).expanduser())
        _tell(f"SAPA runs the compiled kernel {module.__name__}: {backend} was asked for.")
        return module
    except Exception as error:  # a missing file, an old torch, a missing library, a refused download ...
        warnings.warn(
            f"The SAPA kernel {backend!r} cannot be used, so plain PyTorch runs: {error}", stacklevel=2
        )
        return None


def _load_automatic() -> ModuleType | None:
    for entry in os.environ.get("LOCAL_KERNELS", "").split(":"):
        repository, _, path = entry.partition("=")
        if repository.split("/")[-1] == REPOSITORY and path:
            module = load_local(Path(path))
            _tell(f"SAPA runs the compiled kernel {module.__name__}: LOCAL_KERNELS names {path}.")
            return module
    try:
        from sapa_hf.kernels import local_build
    except ImportError:
        _tell("SAPA runs in plain PyTorch: sapa_hf, which builds and finds the kernel, is not installed.")
        return None
    build = local_build()
    if build is None:
        _tell("SAPA runs in plain PyTorch: no kernel is built here (python -m sapa_hf.kernels build).")
        return None
    module = load_local(build)
    _tell(f"SAPA runs the compiled kernel {module.__name__}: it is built in {build}.")
    return module


def _load_from_hub(repository: str, commit: str) -> ModuleType:
    try:
        from kernels import get_kernel, get_local_kernel
    except ImportError as error:
        raise RuntimeError("a kernel on the Hub needs `pip install kernels`") from error
    folder = _downloaded(repository, commit) if HF_HUB_OFFLINE else None
    if folder is not None:
        return require_kernel(get_local_kernel(folder))
    return require_kernel(get_kernel(repository, revision=commit, trust_remote_code=[repository]))


def _downloaded(repository: str, commit: str) -> Path | None:
    """Find a variant that `kernels` downloaded earlier: offline it would ask for the whole repository."""
    for backend in fitting_variants():
        variant = Path("build", VARIANTS[backend])
        try:
            found = snapshot_download(
                repository,
                repo_type="kernel",
                revision=commit,
                allow_patterns=f"{variant}/*",
                cache_dir=os.environ.get("KERNELS_CACHE"),
                local_files_only=True,
            )
        except LocalEntryNotFoundError:
            continue
        if (folder := Path(found, variant)).is_dir():
            return folder
    return None


def _tell(message: str) -> None:
    """Log which path runs and why, once a message."""
    if message not in _told:
        _told.add(message)
        logger.info(message)
