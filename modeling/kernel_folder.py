"""A compiled kernel's folder on this machine: which variant fits, what is checked of it, and loading it.

The checks catch accidents: a half copied folder, a file of another build, one that somebody edited. They do
not stop an attacker who can write to the folder, since its metadata.json can be written too: load a folder
only if you trust whoever made it.
"""

import base64
import hashlib
import importlib.util
import inspect
import json
import platform
import re
import stat
import sys
import tempfile
import threading
from importlib.machinery import all_suffixes
from pathlib import Path, PurePosixPath
from types import ModuleType

import torch

# Folders below build/ of a kernel repository, by the device they are compiled for.
VARIANTS = {
    "cpu": "torch-stable-abi211-cpu-x86_64-linux",
    "cuda": "torch-stable-abi211-cu130-x86_64-linux",
}
METADATA = "metadata.json"
KERNEL_ID = re.compile(r"_sapa_[a-z0-9]+_[0-9a-f]+")  # names module, library and operators; no other module's

loading = threading.RLock()  # a module is known to Python before its code has run


def fitting_variants() -> tuple[str, ...]:
    """Name the variants that this machine's torch can load, the preferred one first: CUDA's needs CUDA 13."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return ()
    return ("cuda", "cpu") if (torch.version.cuda or "").startswith("13.") else ("cpu",)


def find_variant(path: Path) -> Path:
    """Give the variant folder that fits this torch: the path itself, or one below its build folder.

    Raises:
        FileNotFoundError: There is none.
    """
    if (path / METADATA).is_file():
        return path
    for backend in fitting_variants():
        folder = path / "build" / VARIANTS[backend]
        if (folder / METADATA).is_file():
            return folder
    raise FileNotFoundError(f"{path} holds no build for torch {torch.__version__} on {platform.machine()}")


def read_metadata(folder: Path) -> dict:
    """Read what a variant says of itself: at least its id, and the SHA-256 digests of its files.

    Raises:
        ValueError: The file is not what a build writes.
    """
    file = folder / METADATA
    try:
        metadata = json.loads(_read_inside(folder, METADATA))
        known = KERNEL_ID.fullmatch(metadata["id"]) and metadata["digest"]["algorithm"] == "sha256"
        known = known and all(isinstance(digest, str) for digest in metadata["digest"]["files"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{file} must be the metadata of a SAPA kernel: {error!r}; build it again"
        ) from error
    if not known:
        raise ValueError(
            f"{file} must give an id such as _sapa_cpu_0123abc and sha256 digests, got the id "
            f"{metadata['id']!r}; build the kernel again"
        )
    return metadata


def load_local(path: Path) -> ModuleType:
    """Import a kernel from a repository on this machine, or from one of its variant folders.

    Needs no `kernels` package. Every file is read once and compared with its digest; what was read is what
    runs, from a private folder that is removed again. Nothing else in the variant's folder is run.

    Args:
        path: The kernel repository or the variant folder.

    Returns:
        The kernel's module. One of the same id that is loaded already, also by `kernels`, is not loaded
        again.

    Raises:
        FileNotFoundError: No variant there fits this torch, or a file is missing.
        ValueError: A file is not the one that was built, or is not to be trusted.
    """
    folder = find_variant(Path(path).absolute()).resolve()
    name, files = read_checked(folder)
    with loading:
        return require_kernel(sys.modules.get(name) or _import_files(name, files))


def require_kernel(module: ModuleType) -> ModuleType:
    """Give the module back, or refuse one that is not a kernel which `sapa_upsample` can call.

    Raises:
        ValueError: It has no function `assemble`, or one from before logits by place, heads and "shift".
    """
    assemble = getattr(module, "assemble", None)
    known = callable(assemble) and "bias" in inspect.signature(assemble).parameters
    if not known or "shift" not in getattr(module, "BORDERS", ()):
        raise ValueError(f"the module {module.__name__} is not a SAPA kernel that this version can use")
    return module


def read_checked(folder: Path) -> tuple[str, dict[str, bytes]]:
    """Read a variant: its id, and the contents of the files that are to be loaded.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is not the one that was built, or is not to be trusted.
    """
    for parent in folder.parents:
        if parent.stat().st_mode & stat.S_IWOTH and not parent.stat().st_mode & stat.S_ISVTX:
            raise ValueError(_writable(parent))
    metadata = read_metadata(folder)
    name, digests = metadata["id"], metadata["digest"]["files"]
    library = f"{name}.abi3.so"
    present = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.parent.name != "__pycache__"}
    modules = {file for file in present if file.endswith(tuple(all_suffixes()))}
    for file in sorted(modules | {"__init__.py", library}):
        if file not in digests:
            raise ValueError(f"{folder / METADATA} lists no digest of {file}; build the kernel again")
    contents = {file: _read_inside(folder, file) for file in digests}
    for file, content in contents.items():
        if base64.b64encode(hashlib.sha256(content).digest()).decode() != digests[file]:
            raise ValueError(f"{folder / file} is not the file that was built; build the kernel again")
    return name, {f: content for f, content in contents.items() if f.endswith(".py") or f == library}


def _read_inside(folder: Path, name: str) -> bytes:
    """Read a file of a folder, unless it lies elsewhere or everybody may write to it."""
    path = folder / name
    if ".." in PurePosixPath(name).parts or not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} leads out of the kernel's folder; copy the file itself into the folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, or not a file; build the kernel again")
    for place in (path, *path.parents):
        if place.stat().st_mode & stat.S_IWOTH:
            raise ValueError(_writable(place))
        if place == folder:
            break
    return path.read_bytes()


def _writable(path: Path) -> str:
    return f"{path} can be written by every user of this machine; take that right away with `chmod o-w`"


def _import_files(name: str, files: dict[str, bytes]) -> ModuleType:
    """Import a kernel from contents that have been checked: written where nobody else can, then removed."""
    with tempfile.TemporaryDirectory(prefix="sapa-kernel-", ignore_cleanup_errors=True) as private:
        for file, content in files.items():
            target = Path(private, file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        spec = importlib.util.spec_from_file_location(name, Path(private, "__init__.py"))
        if spec is None or spec.loader is None:
            raise ImportError(f"Python cannot import the kernel {name} from {private}.")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            for loaded in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
                del sys.modules[loaded]
            raise
    return module
