"""Turn a compiled kernel into a repository for the Hub: `publish_kernel.py --output_dir FOLDER`.

The folder holds exactly what would be uploaded. It is checked in an interpreter that has only torch and the
package `kernels`. Only `--push OWNER/NAME` uploads, and only a build for any manylinux_2_28 machine.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.kernels import local_build
from sapa_hf.kernels.check import check_repository
from sapa_hf.kernels.repository import assemble_repository
from sapa_hf.kernels.upload import push_repository

EXAMPLE = "OWNER/sapa"  # in the card, until a repository is named


@command_line(failures=(RuntimeError,))
def main(arguments: Sequence[str] | None = None) -> None:
    """Assemble, check and, when asked to, upload."""
    parser = argument_parser(__doc__)
    parser.add_argument("--output_dir", required=True, type=Path, help="new folder to write")
    parser.add_argument(
        "--build", type=Path, help="kernel repository with build/; default: the one that was built here"
    )
    parser.add_argument("--push", metavar="OWNER/NAME", help="upload to this repository on the Hub")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    options = parser.parse_args(arguments)
    publish(options)


def publish(options: argparse.Namespace) -> None:
    """Assemble the folder, run it alone, say for whom it is, and upload it when asked to."""
    build = options.build or local_build()
    if build is None:
        raise FileNotFoundError("no kernel is built from these sources: `python -m sapa_hf.kernels build`")
    folder = options.output_dir
    needs = assemble_repository(build, folder, options.push or EXAMPLE)
    print(f"wrote {folder}")
    difference = check_repository(folder)
    print(
        f"ran it with torch and kernels alone: the largest difference from the definition is {difference:g}"
    )
    if needs:
        print(f"for this machine: it needs {', '.join(needs)}")
    if options.push:
        commit = push_repository(folder, options.push, options.private)
        print(f"uploaded {options.push}, revision {commit}")


if __name__ == "__main__":
    main()
