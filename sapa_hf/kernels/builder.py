"""Build the kernel's sources into the layout of the Hub's kernels."""

import shutil
import sys
import tempfile
from pathlib import Path

from sapa_hf.modeling.kernel_folder import VARIANTS, fitting_variants, read_metadata

from .compilers import BuildError, Unit, compile_units, find_compiler, find_nvcc, link
from .sources import source_digest, source_folder
from .variant import write_metadata, write_modules

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib


def build(backend: str, output: Path, compiler: str | None = None, nvcc: str | None = None) -> Path:
    """Compile one backend and put its variant folder into `output`/build.

    Args:
        backend: "cpu" or "cuda". The CUDA library holds the CPU operators too.
        output: Kernel repository to write to. An older build there is replaced when this one is complete, and
            the other backend's is removed if it is of other sources: a loader could prefer it.
        compiler: C++ compiler; None looks for one.
        nvcc: CUDA compiler; None looks for one.

    Returns:
        The variant folder.

    Raises:
        BuildError: A compiler is missing or refuses a source.
    """
    if not fitting_variants():
        raise BuildError("The kernel is for x86-64 Linux; elsewhere the operator runs in plain PyTorch.")
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
        units = _units(settings, sources, backend)
        objects = compile_units(units, sources, Path(work), name, backend, compiler, nvcc)
        variant = Path(work) / "variant"
        shutil.copytree(sources / "torch-ext" / "sapa", variant, ignore=shutil.ignore_patterns("__pycache__"))
        link(objects, variant / f"{name}.abi3.so", backend, compiler, nvcc)
        write_modules(variant, name)
        write_metadata(variant, name, backend, settings["general"])
        if target.exists():
            target.rename(Path(work) / "old")
        variant.rename(target)
    _remove_other_builds(target.parent, digest)
    return target


def _remove_other_builds(folder: Path, digest: str) -> None:
    """Remove the variants that are not builds of the sources with this digest."""
    for variant in (folder / name for name in VARIANTS.values()):
        try:
            stale = not read_metadata(variant)["id"].endswith(f"_{digest}")
        except FileNotFoundError:
            continue
        except ValueError:  # half a build
            stale = True
        if stale:
            shutil.rmtree(variant)


def _units(settings: dict, sources: Path, backend: str) -> list[Unit]:
    """List the files to compile, in the order of build.toml."""
    sections = [settings["torch"], *(k for k in settings["kernel"].values() if k["backend"] == backend)]
    return [
        Unit(sources / file, tuple(section.get("cxx-flags", ())) if file.endswith(".cpp") else ())
        for section in sections
        for file in section["src"]
        if file.endswith((".cpp", ".cu"))
    ]
