"""Evaluate a model: python scripts/evaluate.py --model FOLDER_OR_ID --dataset camvid --data_path FOLDER.

Runs as it is under torchrun: every process takes its share of the images.
"""

import argparse

from accelerate import Accelerator

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.data import SPECS, get_spec
from sapa_hf.evaluation import evaluate_checkpoint, results_table


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser("Score a segmentation or depth model on a data set.")
    parser.add_argument("--model", required=True, help="folder written by training, or Hub id")
    parser.add_argument("--revision", help="commit of a Hub id")
    parser.add_argument(
        "--trust_remote_code", action="store_true", help="a Hub id then needs a full commit hash"
    )
    parser.add_argument("--dataset", required=True, choices=sorted(SPECS))
    parser.add_argument(
        "--data_path", help="local folder or Hub id of the data set; its usual place unless given"
    )
    parser.add_argument("--data_revision", help="commit of a Hub data set")
    parser.add_argument("--split", help="the data set's test split unless given")
    parser.add_argument(
        "--short_side", type=int, help="instead of the saved processor's; 0 keeps each photo's size"
    )
    parser.add_argument("--max_side", type=int, default=2048, help="longest side that short_side may lead to")
    parser.add_argument("--scales", type=float, nargs="+", help="segmentation: average over these scales")
    parser.add_argument("--crop", choices=["eigen", "garg"], help="depth: score within a benchmark's crop")
    parser.add_argument("--max_depth", type=float, help="depth: metres that truth must lie below; 10")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored photo")
    parser.add_argument("--limit", type=int, help="number of images; all unless given")
    parser.add_argument("--on_bad", choices=["raise", "skip"], default="raise", help="at an unreadable row")
    parser.add_argument("--output", help="results file (JSON) to write")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even where there is a GPU")
    return parser.parse_args(arguments)


@command_line()
def main(arguments: list[str] | None = None) -> None:
    """Evaluate, print the per-class and the overall table, and write the results file."""
    options = parse_arguments(arguments)
    overrides = {"path": options.data_path, "revision": options.data_revision}
    spec = get_spec(options.dataset, **{key: value for key, value in overrides.items() if value is not None})
    split = options.split or spec.test_split
    accelerator = Accelerator(cpu=options.cpu)
    metric = {"crop": options.crop, "max_depth": options.max_depth}
    metrics = evaluate_checkpoint(
        options.model,
        spec,
        split,
        accelerator,
        revision=options.revision,
        trust_remote_code=options.trust_remote_code,
        short_side=options.short_side,
        max_side=options.max_side,
        flip=options.flip,
        limit=options.limit,
        on_bad=options.on_bad,
        output=options.output,
        metric={key: value for key, value in metric.items() if value is not None},
        **({"scales": options.scales} if options.scales else {}),
    )
    accelerator.print(results_table(f"{spec.name} {split}, {metrics['images']} images", metrics))
    accelerator.end_training()


if __name__ == "__main__":
    main()
