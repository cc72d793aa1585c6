"""Build the compiled kernel on this machine, and find what was built: `python -m sapa_hf.kernel build`."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from . import kernel_build
from .modeling.hub_kernel import find_variant

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where an installed package keeps its builds: $XDG_CACHE_HOME or ~/.cache, then sapa_hf/kernel."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sapa_hf" / "kernel"


def default_output() -> Path:
    """Build beside the sources in a checkout, in the user's cache for an installed package."""
    sources = kernel_build.source_folder()
    return cache_folder() if sources.name == "kernel_sources" else sources


def local_build() -> Path | None:
    """Find a kernel repository that was built here from the present sources.

    Returns:
        The repository's folder, or None. What counts is the variant that this torch would load; one from
        other sources is passed over with a warning: it may be an older version's.
    """
    try:
        digest = kernel_build.source_digest(kernel_build.source_folder())
    except FileNotFoundError:
        return None
    for folder in dict.fromkeys((default_output(), cache_folder())):
        try:
            metadata = find_variant(folder) / "metadata.json"
        except FileNotFoundError:
            continue
        if json.loads(metadata.read_text())["id"].endswith(f"_{digest}"):
            return folder
        logger.warning(
            "The kernel in %s was built from other sources; `python -m sapa_hf.kernel build` renews it.",
            metadata.parent,
        )
    return None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: `build` compiles, `where` prints what would be used."""
    parser = argparse.ArgumentParser(prog="python -m sapa_hf.kernel", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="compile the kernel")
    build.add_argument(
        "--output", type=Path, help="kernel repository to write to (default: beside the sources)"
    )
    build.add_argument(
        "--cuda", choices=("auto", "yes", "no"), default="auto", help="auto: where nvcc is found"
    )
    build.add_argument("--compiler", help="C++ compiler (default: $CXX, else g++)")
    build.add_argument("--nvcc", help="CUDA compiler (default: $NVCC, else the one on the path)")
    commands.add_parser("where", help="print the build that this machine would use")
    chosen = parser.parse_args(arguments)
    if chosen.command == "where":
        print(local_build() or "no build of the present sources")
        return 0
    return _build(chosen)


def _build(chosen: argparse.Namespace) -> int:
    """Compile for the CPU, and for CUDA where it is asked for or can be."""
    output = chosen.output or default_output()
    with_cuda = chosen.cuda == "yes" or (
        chosen.cuda == "auto" and bool(chosen.nvcc or kernel_build.find_nvcc())
    )
    try:
        for backend in ("cpu", "cuda") if with_cuda else ("cpu",):
            print(kernel_build.build(backend, output, chosen.compiler, chosen.nvcc))
    except kernel_build.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if not with_cuda:
        print(
            "No CUDA kernel: nvcc was not found." if chosen.cuda == "auto" else "No CUDA kernel: --cuda no."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
