"""Which code runs the operator: a compiled kernel where one is at hand, else plain PyTorch.

The choice is made at run time and never saved with a model; nothing is downloaded or compiled unless the
caller asks for it by name.
"""

import base64
import hashlib
import importlib.util
import json
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch.autograd import forward_ad

logger = logging.getLogger(__name__)

AUTOMATIC = "auto"
REFERENCE = "reference"
REPOSITORY = "sapa"  # the kernel's name on the Hub, whoever publishes it
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
_HUB_CHOICE = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")

_choice: str | None = None
_modules: dict[str, ModuleType | None] = {}
_told: set[str] = set()
_loading = threading.RLock()  # a module is known to Python before its code has run


def set_kernel(choice: str | None) -> None:
    """Choose the kernel for this process.

    Args:
        choice: "auto" takes a kernel named in LOCAL_KERNELS, else one built on this machine, else the
            reference; "reference" is plain PyTorch; a path is a kernel repository or one of its variant
            folders; "owner/name@<40 hexadecimal digits>" is a commit on the Hub. None gives the choice back
            to the environment variable SAPA_KERNEL ("auto" when unset).

    Raises:
        ValueError: The choice names a Hub repository without a full commit hash.
    """
    global _choice
    if choice is not None:
        _check_choice(choice)
    _choice = choice


@contextmanager
def use_kernel(choice: str | None) -> Iterator[None]:
    """Choose the kernel inside a `with` block, as `set_kernel` does."""
    before = _choice
    set_kernel(choice)
    try:
        yield
    finally:
        set_kernel(before)


def find_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    normalization: str = "softmax",
    choice: str | None = None,
) -> ModuleType | None:
    """Give the kernel module that can run this call, or None for the reference.

    The module has `sapa_upsample` with the arguments of the function of that name. Export and tracing, which
    cannot carry a compiled operator, take the reference, as do tensors and normalizations that no kernel has,
    and derivatives that none has a rule for: forward mode and the transforms of torch.func but vmap.
    """
    choice = choice or _choice or os.environ.get("SAPA_KERNEL") or AUTOMATIC
    if choice == REFERENCE or torch.compiler.is_exporting() or torch.jit.is_tracing():
        return None
    if normalization != "softmax" or not {query.dtype, key.dtype, value.dtype} <= set(DTYPES):
        return None
    if _is_transformed() or not _is_ready(choice, query.device.type, query.device.index or 0):
        return None
    return _modules[choice]


@torch.compiler.assume_constant_result
def _is_transformed() -> bool:
    """Say whether forward-mode AD, or a torch.func transform other than vmap, is at work around this call.

    No public function tells. While torch.compile traces, the transforms are at work as in eager mode, and its
    guards watch them.
    """
    functorch = getattr(torch._C, "_functorch", None)
    layers = getattr(functorch, "get_interpreter_stack", tuple)() or ()
    transformed = any(layer.key() != functorch.TransformType.Vmap for layer in layers)
    return transformed or getattr(forward_ad, "_current_level", -1) >= 0


@torch.compiler.assume_constant_result
def _is_ready(choice: str, device: str, index: int) -> bool:
    """Load the chosen kernel once, and tell whether it runs on this device."""
    with _loading:
        if choice not in _modules:
            _check_choice(choice)
            _modules[choice] = _load(choice)
    module = _modules[choice]
    if module is None or device not in ("cpu", "cuda"):
        return False
    if device == "cpu":
        return True
    operator = module.__name__ + "::forward"
    if not torch._C._dispatch_has_kernel_for_dispatch_key(operator, "CUDA"):
        _tell(f"The kernel {module.__name__} holds no CUDA code: tensors on the GPU take plain PyTorch.")
        return False
    return torch.cuda.get_device_capability(index) >= (8, 0)


def _check_choice(choice: str) -> None:
    if choice in (AUTOMATIC, REFERENCE) or _HUB_CHOICE.fullmatch(choice) or _looks_like_path(choice):
        return
    raise ValueError(
        f'kernel must be "auto", "reference", a path, or "owner/name@<commit>" with a commit hash of 40 '
        f"hexadecimal digits, but {choice!r} came. Branches and tags are refused: what they name can change."
    )


def _looks_like_path(choice: str) -> bool:
    return os.path.isabs(choice) or choice.startswith(".") or (os.path.isdir(choice) and "@" not in choice)


def _load(choice: str) -> ModuleType | None:
    """Load what was chosen; whatever goes wrong costs speed and a warning, never the result."""
    try:
        if choice == AUTOMATIC:
            return _load_automatic()
        hub = _HUB_CHOICE.fullmatch(choice)
        module = _load_from_hub(*hub.groups()) if hub else load_local(Path(choice))
        _tell(f"SAPA runs the compiled kernel {module.__name__}: {choice} was asked for.")
        return module
    except Exception as error:  # a missing file, an old torch, a missing library, a refused download ...
        warnings.warn(
            f"The SAPA kernel {choice!r} cannot be used, so plain PyTorch runs: {error}", stacklevel=2
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
        from sapa_hf.kernel import local_build
    except ImportError:
        _tell("SAPA runs in plain PyTorch: sapa_hf, which builds and finds the kernel, is not installed.")
        return None
    path = local_build()
    if path is None:
        _tell("SAPA runs in plain PyTorch: no kernel is built here (python -m sapa_hf.kernel build).")
        return None
    module = load_local(path)
    _tell(f"SAPA runs the compiled kernel {module.__name__}: it is built in {path}.")
    return module


def _load_from_hub(repository: str, commit: str) -> ModuleType:
    try:
        from kernels import get_kernel
    except ImportError as error:
        raise RuntimeError("a kernel on the Hub needs `pip install kernels`") from error
    return get_kernel(repository, revision=commit, trust_remote_code=[repository])


def load_local(path: Path) -> ModuleType:
    """Import a kernel from a repository on this machine, or from one of its variant folders.

    Needs no `kernels` package. The digests in metadata.json are checked first.

    Raises:
        FileNotFoundError: No variant there fits this torch.
        ValueError: A file is not the one that was built.
    """
    folder = find_variant(Path(path).absolute())
    metadata = json.loads((folder / "metadata.json").read_text())
    with _loading:  # a name found in sys.modules is also one that `kernels` loaded
        return sys.modules.get(metadata["id"]) or _import_variant(folder, metadata)


def _import_variant(folder: Path, metadata: dict) -> ModuleType:
    for file, digest in metadata["digest"]["files"].items():
        if base64.b64encode(hashlib.sha256((folder / file).read_bytes()).digest()).decode() != digest:
            raise ValueError(f"{folder / file} is not the file that was built; build the kernel again")
    name = metadata["id"]
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:
        del sys.modules[name]
        raise
    return module


def find_variant(path: Path) -> Path:
    """Give the variant folder that fits this torch, the CUDA one first where torch has CUDA 13.

    Raises:
        FileNotFoundError: There is none.
    """
    if (path / "metadata.json").is_file():
        return path
    cuda = (torch.version.cuda or "").startswith("13.")
    for name in ("cu130", "cpu") if cuda else ("cpu",):
        folder = path / "build" / f"torch-stable-abi211-{name}-x86_64-linux"
        if (folder / "metadata.json").is_file():
            return folder
    raise FileNotFoundError(f"{path} holds no build for torch {torch.__version__}")


def _tell(message: str) -> None:
    """Log which path runs and why, once a message."""
    if message not in _told:
        _told.add(message)
        logger.info(message)
