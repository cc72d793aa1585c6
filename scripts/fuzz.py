"""Damage files in every way and see that each is refused by name or read right: `python scripts/fuzz.py`.

A developer's tool: it needs the checkout, with its tests, and Linux.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz all targets, or those that are named."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from fuzz.run import main as run
    from fuzz.targets import COUNTS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(COUNTS)}; default: all")
    parser.add_argument("--count", type=int, help="cases of each; default: " + str(COUNTS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    unknown = set(options.targets) - set(COUNTS)
    if unknown:
        parser.error(f"unknown target {sorted(unknown)[0]}: choose from {', '.join(COUNTS)}")
    counts = {name: options.count or COUNTS[name] for name in COUNTS}
    sys.exit(1 if run(options.targets or list(COUNTS), counts, options.seed) else 0)


if __name__ == "__main__":
    main()
