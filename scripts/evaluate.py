"""Evaluate a model: python scripts/evaluate.py --model FOLDER_OR_ID --dataset camvid --data_path FOLDER.

Runs as it is under torchrun: every process takes its share of the images.
"""

import argparse
from typing import Any

from accelerate import Accelerator
from transformers.utils.logging import disable_progress_bar

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.data import SPECS, get_spec
from sapa_hf.evaluation import evaluate_model
from sapa_hf.tasks import task_options
from sapa_hf.training.typed import from_text


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser("Score a model of any task on a data set.")
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
    parser.add_argument(
        "--data_fields",
        default="{}",
        help="its other fields, as in training: {depth_scale: 0.001}",
    )
    parser.add_argument("--split", help="the data set's test split unless given")
    for option, how in (task_options("views") | task_options("scoring")).items():
        parser.add_argument(f"--{option}", default=None, **how)
    parser.add_argument("--limit", type=int, help="number of images; all unless given")
    parser.add_argument("--on_bad", choices=["raise", "skip"], default="raise", help="at an unreadable row")
    parser.add_argument("--output", help="results file (JSON) to write")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even where there is a GPU")
    return parser.parse_args(arguments)


@command_line()
def main(arguments: list[str] | None = None) -> None:
    """Evaluate, print the task's tables, and write the results file."""
    options = vars(parse_arguments(arguments))
    disable_progress_bar()  # of loading weights; ours counts the images
    overrides = {"path": options.pop("data_path"), "revision": options.pop("data_revision")}
    overrides = {key: value for key, value in overrides.items() if value is not None}
    overrides |= from_text(options.pop("data_fields"), dict[str, Any], "data_fields")
    spec = get_spec(options.pop("dataset"), **overrides)
    split = options.pop("split") or spec.test_split
    accelerator = Accelerator(cpu=options.pop("cpu"))
    task, metrics = evaluate_model(options.pop("model"), spec, split, accelerator, **options)
    accelerator.print(task.table({f"{spec.name} {split}, {metrics['images']} images": metrics}))
    accelerator.end_training()


if __name__ == "__main__":
    main()
