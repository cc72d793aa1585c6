"""The kernel's sources, and the digest that tells one state of them from another."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# What shapes a build beside the sources: the compilers' flags, and the generated modules.
BUILDERS = ("builder.py", "compilers.py", "variant.py")


def source_folder() -> Path:
    """Find the kernel sources: in a checkout, or inside the installed package."""
    checkout, packaged = PACKAGE.parent / "kernel", PACKAGE / "kernel_sources"
    for folder in (checkout, packaged):
        if (folder / "build.toml").is_file():
            return folder
    raise FileNotFoundError(
        f"The kernel sources are neither in {checkout} nor in {packaged}; reinstall sapa-hf."
    )


def source_digest(sources: Path) -> str:
    """Give seven hexadecimal digits that change with sources and build; they end the library's name."""
    digest = hashlib.sha256()
    for file in _source_files(sources):
        digest.update(file.relative_to(sources).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    for name in BUILDERS:
        digest.update(Path(__file__).with_name(name).read_bytes() + b"\0")
    return digest.hexdigest()[:7]


def _source_files(sources: Path) -> Iterator[Path]:
    """Every file that shapes the build, in a fixed order."""
    yield sources / "build.toml"
    for folder in ("sapa_cpu", "sapa_cuda", "torch-ext"):
        yield from sorted(
            f for f in (sources / folder).rglob("*") if f.suffix in (".cpp", ".h", ".cu", ".cuh", ".py")
        )
