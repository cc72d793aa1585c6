r"""Train a matrix of variants and seeds with one recipe, and compare them.

    python scripts/study.py segformer_small_camvid data_path=FOLDER max_steps=1500 \
        --variants bilinear carafe sapa-b sapa-g --seeds 0 1 2 --output_dir studies/camvid

Started again it goes on where it stopped. Writes study.json, study.md and study.png into the output folder.
"""

import argparse
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.paper.study import finish_runs, plan_runs, write_report


def parse_arguments(tokens: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what is not ours is the recipe and its settings."""
    parser = argument_parser(__doc__, allow_abbrev=False)
    parser.add_argument("--vary", default="upsampler", help="the setting that is varied")
    parser.add_argument(
        "--variants",
        nargs="+",
        required=True,
        help="its values, each with settings behind it where it needs them: 'sapa-b upsampler_border=mask'",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--baseline", help="variant to compare with; the first unless given")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--title", help="of the plot")
    parser.add_argument("--report_only", action="store_true", help="train nothing, report what is finished")
    options, settings = parser.parse_known_args(tokens)
    options.baseline = options.baseline or options.variants[0]
    if options.baseline not in options.variants:
        parser.error(f"--baseline {options.baseline} is not among the variants {', '.join(options.variants)}")
    return options, settings


@command_line(failures=(RuntimeError,), interrupted="stopped; started again, it goes on from here")
def main(tokens: Sequence[str] | None = None) -> None:
    """Finish the runs, and write the report after each of them."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    options, settings = parse_arguments(tokens)
    runs = plan_runs(settings, options.vary, options.variants, options.seeds, options.output_dir)
    report = partial(
        write_report, runs, options.vary, options.baseline, settings, options.output_dir, options.title
    )
    if not options.report_only:
        finish_runs(runs, after_each=report)
    print(report())


if __name__ == "__main__":
    main()
