"""Compile the kernel sources into the layout of the Hub's kernels: one library for every torch >= 2.11."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from .kernel_variant import write_metadata, write_modules

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

STABLE_ABI = "0x020b000000000000"  # torch 2.11
VARIANTS = {
    "cpu": "torch-stable-abi211-cpu-x86_64-linux",
    "cuda": "torch-stable-abi211-cu130-x86_64-linux",
}
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


def source_folder() -> Path:
    """Find the kernel sources: in a checkout, or inside the installed package."""
    checkout = Path(__file__).resolve().parent.parent / "kernel"
    packaged = Path(__file__).resolve().parent / "kernel_sources"
    for folder in (checkout, packaged):
        if (folder / "build.toml").is_file():
            return folder
    raise FileNotFoundError(
        f"The kernel sources are neither in {checkout} nor in {packaged}; reinstall sapa-hf."
    )


def find_compiler() -> str | None:
    """Find a C++ compiler: $CXX, else g++, c++ or clang++."""
    return next(filter(None, map(shutil.which, (os.environ.get("CXX") or "g++", "c++", "clang++"))), None)


def find_nvcc() -> str | None:
    """Find CUDA's compiler: $NVCC, else nvcc on the path or in /usr/local/cuda."""
    names = (os.environ.get("NVCC") or "nvcc", "/usr/local/cuda/bin/nvcc")
    return next(filter(None, map(shutil.which, names)), None)


def source_digest(sources: Path) -> str:
    """Seven hexadecimal digits that change with the sources and the build; part of the library's name."""
    digest = hashlib.sha256()
    for file in _source_files(sources):
        digest.update(file.relative_to(sources).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    for name in ("kernel_build.py", "kernel_variant.py"):  # the compilers' flags, and the generated modules
        digest.update(Path(__file__).with_name(name).read_bytes() + b"\0")
    return digest.hexdigest()[:7]


def build(backend: str, output: Path, compiler: str | None = None, nvcc: str | None = None) -> Path:
    """Compile one backend and put its variant folder into `output`/build.

    Args:
        backend: "cpu" or "cuda". The CUDA library holds the CPU operators too.
        output: Kernel repository to write to. An older build there is replaced when this one is complete, and
            the other backend's goes too if it is of other sources: a loader could prefer it.
        compiler: C++ compiler; None looks for one.
        nvcc: CUDA compiler; None looks for one.

    Returns:
        The variant folder.

    Raises:
        BuildError: A compiler is missing or refuses a source.
    """
    sources = source_folder()
    compiler, nvcc = compiler or find_compiler(), nvcc or find_nvcc()
    if compiler is None:
        raise BuildError("No C++ compiler was found; install g++ or name one in CXX.")
    if backend == "cuda" and nvcc is None:
        raise BuildError("nvcc was not found; install CUDA 13 or name it in NVCC.")
    settings = tomllib.loads((sources / "build.toml").read_text())
    digest = source_digest(sources)
    name = f"_sapa_{backend}_{digest}"
    target = Path(output).absolute() / "build" / VARIANTS[backend]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".sapa-") as work:
        objects = _compile(
            sources, Path(work), _units(settings, sources, backend), name, backend, compiler, nvcc
        )
        variant = Path(work) / "variant"
        shutil.copytree(sources / "torch-ext" / "sapa", variant, ignore=shutil.ignore_patterns("__pycache__"))
        _link(objects, variant / f"{name}.abi3.so", backend, compiler, nvcc)
        write_modules(variant, name)
        write_metadata(variant, name, backend, settings["general"])
        if target.exists():
            target.rename(Path(work) / "old")
        variant.rename(target)
    _remove_other_builds(target.parent, digest)
    return target


def _remove_other_builds(folder: Path, digest: str) -> None:
    for variant in (folder / name for name in VARIANTS.values()):
        metadata = variant / "metadata.json"
        if metadata.is_file() and not json.loads(metadata.read_text())["id"].endswith(f"_{digest}"):
            shutil.rmtree(variant)


def _source_files(sources: Path) -> Iterator[Path]:
    """Every file that shapes the build, in a fixed order."""
    yield sources / "build.toml"
    for folder in ("sapa_cpu", "sapa_cuda", "torch-ext"):
        yield from sorted(
            f for f in (sources / folder).rglob("*") if f.suffix in (".cpp", ".h", ".cu", ".cuh", ".py")
        )


def _units(settings: dict, sources: Path, backend: str) -> list[Unit]:
    """The files to compile, slowest first where the order of build.toml says so."""
    sections = [settings["torch"], *(k for k in settings["kernel"].values() if k["backend"] == backend)]
    return [
        Unit(sources / file, tuple(section.get("cxx-flags", ())) if file.endswith(".cpp") else ())
        for section in sections
        for file in section["src"]
        if file.endswith((".cpp", ".cu"))
    ]


def _compile(sources, work, units, name, backend, compiler, nvcc) -> list[Path]:
    """Compile all units, two at a time on two cores, into object files."""
    (work / "registration.h").write_text(REGISTRATION)
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
        host += ["-DUSE_CUDA", f"-I{cuda_folder(nvcc) / 'include'}"]

    def compile_one(unit: Unit) -> Path:
        target = work / f"{unit.source.parent.name}_{unit.source.name}.o"
        command = (
            [*host, *unit.flags] if unit.source.suffix == ".cpp" else _nvcc_command(nvcc, compiler, shared)
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
    """The toolkit that an nvcc belongs to, also where nvcc on the path is a link or a small script."""
    command = [nvcc, "-dryrun", "-c", "-x", "cu", os.devnull, "-o", os.devnull]
    answer = subprocess.run(command, capture_output=True, text=True)
    for line in answer.stderr.splitlines():
        if line.startswith("#$ TOP="):
            return Path(line.removeprefix("#$ TOP=")).resolve()
    return Path(nvcc).resolve().parent.parent


def _link(objects: list[Path], library: Path, backend: str, compiler: str, nvcc: str | None) -> None:
    """Link the objects against torch's own libraries only (and CUDA's runtime, statically)."""
    torch_libraries = Path(torch.__file__).parent / "lib"
    command = [compiler, "-shared", "-s", *map(str, objects), "-o", str(library), f"-L{torch_libraries}"]
    command += ["-Wl,--no-as-needed", "-ltorch", "-Wl,--as-needed", "-ltorch_cpu"]
    if backend == "cuda":
        cuda = cuda_folder(nvcc)
        command += [f"-L{cuda / folder}" for folder in ("lib64", "lib") if (cuda / folder).is_dir()]
        command += ["-lcudart_static", "-lpthread", "-ldl", "-lrt"]
    _run(command)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stderr.strip() or done.stdout.strip()}")
