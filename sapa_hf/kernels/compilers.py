"""Compiling and linking: the compilers of this machine, and the flags that serve every torch."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

STABLE_ABI = "0x020b000000000000"  # torch 2.11
# What the Hub's builder generates for each kernel: names with the extension's own prefix, and a module.
REGISTRATION = """#pragma once
#define STABLE_TORCH_LIBRARY_EXPAND(NAME, MODULE) STABLE_TORCH_LIBRARY(NAME, MODULE)
#define STABLE_TORCH_LIBRARY_IMPL_EXPAND(NAME, KEY, MODULE) STABLE_TORCH_LIBRARY_IMPL(NAME, KEY, MODULE)
#define REGISTER_EXTENSION(NAME)
"""


class BuildError(RuntimeError):
    """The kernel could not be compiled; the message holds the compiler's output."""


@dataclass(frozen=True)
class Unit:
    """One source file and the flags its section of build.toml asks for."""

    source: Path
    flags: tuple[str, ...]


def find_compiler() -> str | None:
    """Find a C++ compiler: $CXX, else g++, c++ or clang++."""
    return next(filter(None, map(shutil.which, (os.environ.get("CXX") or "g++", "c++", "clang++"))), None)


def find_nvcc() -> str | None:
    """Find CUDA's compiler: $NVCC, else nvcc on the path or in /usr/local/cuda."""
    names = (os.environ.get("NVCC") or "nvcc", "/usr/local/cuda/bin/nvcc")
    return next(filter(None, map(shutil.which, names)), None)


def compile_units(
    units: list[Unit],
    sources: Path,
    work: Path,
    name: str,
    backend: str,
    compiler: str,
    nvcc: str | None,
) -> list[Path]:
    """Compile all units, one at a time on each core, into object files.

    Args:
        units: What to compile.
        sources: Folder of the sources, where they look for each other.
        work: Folder for the object files.
        name: The library's name, which is also the operators' namespace.
        backend: "cpu" or "cuda".
        compiler: C++ compiler.
        nvcc: CUDA compiler; may be None for "cpu".

    Raises:
        BuildError: The compiler refuses a source.
    """
    (work / "registration.h").write_text(REGISTRATION)
    cuda = nvcc or "nvcc"
    torch_folder = Path(torch.__file__).parent
    shared = [
        f"-DTORCH_TARGET_VERSION={STABLE_ABI}",
        f"-DTORCH_EXTENSION_NAME={name}",
        f"-D{backend.upper()}_KERNEL",
        *(f"-I{folder}" for folder in (work, sources, torch_folder / "include")),
        "-std=c++17",
        "-O3",
    ]
    host = [compiler, "-fPIC", "-fno-gnu-unique", "-fvisibility=hidden", *shared]
    if backend == "cuda":
        shared += ["-DUSE_CUDA"]
        host += ["-DUSE_CUDA", f"-I{cuda_folder(cuda) / 'include'}"]

    def compile_one(unit: Unit) -> Path:
        target = work / f"{unit.source.parent.name}_{unit.source.name}.o"
        command = (
            [*host, *unit.flags] if unit.source.suffix == ".cpp" else _nvcc_command(cuda, compiler, shared)
        )
        _run([*command, "-c", str(unit.source), "-o", str(target)])
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, units))


def _nvcc_command(nvcc: str, compiler: str, shared: list[str]) -> list[str]:
    """Call nvcc for machine code for sm_80 and sm_90 and PTX for whatever comes later."""
    return [
        nvcc,
        f"-ccbin={compiler}",
        "-Xcompiler",
        "-fPIC,-fno-gnu-unique,-fvisibility=hidden",
        "--expt-relaxed-constexpr",
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90,code=sm_90",
        "-gencode=arch=compute_90,code=compute_90",
        *shared,
    ]


def cuda_folder(nvcc: str) -> Path:
    """Find the toolkit that an nvcc belongs to, also where nvcc on the path is a link or a small script."""
    command = [nvcc, "-dryrun", "-c", "-x", "cu", os.devnull, "-o", os.devnull]
    answer = subprocess.run(command, capture_output=True, text=True)
    for line in answer.stderr.splitlines():
        if line.startswith("#$ TOP="):
            return Path(line.removeprefix("#$ TOP=")).resolve()
    return Path(nvcc).resolve().parent.parent


def link(objects: list[Path], library: Path, backend: str, compiler: str, nvcc: str | None) -> None:
    """Link the objects against torch's own libraries only (and CUDA's runtime, statically)."""
    torch_libraries = Path(torch.__file__).parent / "lib"
    command = [compiler, "-shared", "-s", *map(str, objects), "-o", str(library), f"-L{torch_libraries}"]
    command += ["-Wl,--no-as-needed", "-ltorch", "-Wl,--as-needed", "-ltorch_cpu"]
    if backend == "cuda":
        cuda = cuda_folder(nvcc or "nvcc")
        command += [f"-L{cuda / folder}" for folder in ("lib64", "lib") if (cuda / folder).is_dir()]
        command += ["-lcudart_static", "-lpthread", "-ldl", "-lrt"]
    _run(command)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stderr.strip() or done.stdout.strip()}")
