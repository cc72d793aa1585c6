"""Damage files in many ways and see that each is refused by name or read right: `python scripts/fuzz.py`.

A developer's tool: it needs the checkout with its tests, and Linux.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from sapa_hf.command_line import argument_parser, command_line

COUNTS = {"config.json": 300, "results.json": 400, "safetensors": 200, "images": 100}


@command_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz all targets, or those that are named; the status is 1 if a case went wrong."""
    parser = argument_parser(__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(COUNTS)}; default: all")
    parser.add_argument("--count", type=int, help=f"cases of each; default: {COUNTS}")
    parser.add_argument("--seed", type=int, default=0, help="of the damage; default: 0")
    options = parser.parse_args(arguments)
    unknown = [target for target in options.targets if target not in COUNTS]
    if unknown:
        parser.error(f"unknown target {unknown[0]}: choose from {', '.join(COUNTS)}")
    tests = Path(__file__).resolve().parents[1] / "tests"
    if not (tests / "fuzz").is_dir():
        parser.error("the fuzz run needs the checkout: run scripts/fuzz.py there")
    sys.path.insert(0, str(tests))
    from fuzz.run import main as run

    counts = {name: options.count or COUNTS[name] for name in options.targets or COUNTS}
    sys.exit(1 if run(counts, options.seed) else 0)


if __name__ == "__main__":
    main()
