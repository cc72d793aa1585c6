"""Build the compiled kernel on this machine, and find what was built: `python -m sapa_hf.kernels build`."""

import argparse
import sys
from pathlib import Path

import torch

from sapa_hf.command_line import FAILURE, argument_parser, command_line
from sapa_hf.modeling.kernel_folder import fitting_variants

from .builder import build
from .compilers import BuildError, find_nvcc
from .local import default_output, local_build


@command_line()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line: `build` compiles, `where` prints what would be used.

    Returns:
        The exit status: 0; 1 where the kernel cannot be compiled.
    """
    parser = argument_parser(__doc__, prog="python -m sapa_hf.kernels")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="compile the kernel")
    command.add_argument(
        "--output", type=Path, help="kernel repository to write to (default: beside the sources)"
    )
    command.add_argument(
        "--cuda",
        choices=("auto", "yes", "no"),
        default="auto",
        help="auto (the default): where torch has CUDA 13 and nvcc is found",
    )
    command.add_argument("--compiler", help="C++ compiler (default: $CXX, else g++)")
    command.add_argument("--nvcc", help="CUDA compiler (default: $NVCC, else the one on the path)")
    commands.add_parser("where", help="print the build that this machine would use")
    chosen = parser.parse_args(arguments)
    if chosen.command == "where":
        print(local_build() or "no build of the present sources")
        return 0
    return _build(chosen)


def _build(chosen: argparse.Namespace) -> int:
    """Compile for the CPU, and for CUDA where it is asked for or of use."""
    without_cuda = _why_not_cuda(chosen)
    try:
        for backend in ("cpu",) if without_cuda else ("cpu", "cuda"):
            print(build(backend, chosen.output or default_output(), chosen.compiler, chosen.nvcc))
    except BuildError as error:
        print(error, file=sys.stderr)  # with the compiler's own lines
        return FAILURE
    if without_cuda:
        print(f"No CUDA kernel: {without_cuda}.")
    return 0


def _why_not_cuda(chosen: argparse.Namespace) -> str | None:
    """Say why no CUDA kernel is compiled, or None where one is."""
    if chosen.cuda != "auto":
        return None if chosen.cuda == "yes" else "--cuda no"
    if "cuda" not in fitting_variants():
        return f"torch {torch.__version__} has no CUDA 13 (--cuda yes compiles it all the same)"
    return None if chosen.nvcc or find_nvcc() else "nvcc was not found"


if __name__ == "__main__":
    sys.exit(main())
