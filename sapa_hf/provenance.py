"""Where a measured figure comes from: weights, commit, versions, hardware, and the memory that it took."""

import hashlib
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import nn


def weights_digest(model: nn.Module) -> str:
    """SHA-256 of a model's parameters and buffers: their names, shapes and values.

    It does not depend on the device, on how the weights are split into files, or on whether half-precision
    weights are held in single precision.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        tensor = tensor.detach().cpu()
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def file_digest(path: str | Path) -> str:
    """Compute the SHA-256 of a file, without holding all of it in memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def source_commit() -> str | None:
    """Commit of this file's checkout, with "-dirty" for local changes; None for an installed package."""
    root = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None  # installed inside someone else's repository
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that shape a result."""
    found = {"python": platform.python_version()}
    for name in ("torch", "transformers", "datasets", "accelerate", "sapa_hf"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def hardware(device: torch.device | str) -> str:
    """Name of the accelerator that this device is, or of the processor, its vectors and its cores."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    vectors = torch.backends.cpu.get_cpu_capability()  # "AMD EPYC" may have AVX-512 or not
    return f"{name} ({vectors}), {os.cpu_count()} cores"


def peak_memory_megabytes(device: torch.device | str) -> float | None:
    """Most memory this process held so far: on this device if it is a GPU, else of the process itself.

    None where the system does not tell (Windows).
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3  # bytes there, kilobytes elsewhere
