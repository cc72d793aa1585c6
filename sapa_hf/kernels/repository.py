"""The compiled kernel as a repository of the Hub: assembled in a folder."""

import ast
import json
import shutil
import tempfile
from pathlib import Path

from jinja2 import Environment

from sapa_hf import __version__
from sapa_hf.model_folder import HUB_ID
from sapa_hf.modeling.kernel_folder import METADATA, VARIANTS, read_checked, read_metadata
from sapa_hf.provenance import source_commit

from .abi import machine_needs
from .sources import source_folder

README = "README.md"
BENCHMARK = ("benchmark.py", "baseline.py")  # what `kernels benchmark` runs, and what that imports


def assemble_repository(build: Path, output: Path, repo_id: str) -> list[str]:
    """Write the repository that the Hub would hold: build/, benchmarks/ and the card, nothing else.

    Every file of a variant is compared with its digest on the way. Its metadata.json is told which sapa-hf
    and commit assembled it.

    Args:
        build: A kernel repository that was built.
        output: A folder that is new or empty.
        repo_id: "owner/name" that the card's example loads.

    Returns:
        What the libraries ask of a machine beyond what every Linux of the Hub's kernels has: such a
        repository is for this machine only, and its card says so.

    Raises:
        FileNotFoundError: Nothing is built there.
        ValueError: The output is taken, a file was changed since it was built, or a name is not one.
    """
    if not HUB_ID.fullmatch(repo_id):
        raise ValueError(f"the repository must be OWNER/NAME, got {repo_id!r}")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} is not empty: choose a new folder")
    variants = [build / "build" / name for name in VARIANTS.values()]
    variants = [variant for variant in variants if (variant / METADATA).is_file()]
    if not variants:
        raise FileNotFoundError(
            f"{build} holds no compiled kernel: build one with `python -m sapa_hf.kernels build`"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sapa-kernel-", dir=output.parent) as scratch:
        partial = Path(scratch, "repository")
        found = [need for v in variants for need in _copy_variant(v, partial / "build" / v.name)]
        needs = list(dict.fromkeys(found))
        _copy_benchmark(partial / "benchmarks")
        (partial / README).write_text(render_card(repo_id, needs), encoding="utf-8")
        if output.is_dir():
            output.rmdir()
        partial.rename(output)
    return needs


def render_card(repo_id: str, needs: list[str]) -> str:
    """Fill the kernel's CARD.md as the Hub's builder does, and say where a build for one machine stays."""
    sources = source_folder()
    layers = _classes(sources / "torch-ext" / "sapa" / "layers" / "__init__.py")
    template = Environment(trim_blocks=True, keep_trailing_newline=True).from_string(
        (sources / "CARD.md").read_text(encoding="utf-8")
    )
    return template.render(
        repo_id=repo_id,
        layers=layers,
        has_benchmark=(sources / "benchmarks" / BENCHMARK[0]).is_file(),
        license="apache-2.0",
        needs=sorted({need.rpartition("@")[2] for need in needs}),
    )


def _copy_variant(source: Path, target: Path) -> list[str]:
    """Copy what the digests name; give what the library needs of a machine."""
    name, files = read_checked(source)
    for file, content in files.items():
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_bytes(content)
    metadata = read_metadata(source)
    metadata.setdefault("sapa-hf", {"version": __version__, "commit": source_commit()})
    (target / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
    return machine_needs(target / f"{name}.abi3.so")


def _copy_benchmark(target: Path) -> None:
    """Copy the benchmark where the sources have one; an installed package has none."""
    folder = source_folder() / "benchmarks"
    if (folder / BENCHMARK[0]).is_file():
        target.mkdir()
        for name in BENCHMARK:
            shutil.copy(folder / name, target / name)


def _classes(file: Path) -> list[str]:
    """Name the classes of a module, without running it."""
    return [part.name for part in ast.parse(file.read_text()).body if isinstance(part, ast.ClassDef)]
