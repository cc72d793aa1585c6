"""Predict images: python scripts/predict.py --model FOLDER_OR_ID --output_dir OUT photo.jpg folder/ ..."""

import argparse
import sys

import torch
from transformers.utils.logging import disable_progress_bar

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.predict import load_predictor, predict_files
from sapa_hf.tasks import task_options


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser("Predict photos: class maps, depth or mattes, with a picture of each.")
    parser.add_argument("inputs", nargs="+", help="image files and folders; any mode and size")
    parser.add_argument("--model", required=True, help="folder written by training, or Hub id")
    parser.add_argument("--revision", help="commit of a Hub id")
    parser.add_argument(
        "--trust_remote_code", action="store_true", help="a Hub id then needs a full commit hash"
    )
    parser.add_argument(
        "--output_dir", required=True, help="where the pictures go; inputs are never overwritten"
    )
    parser.add_argument("--recursive", action="store_true", help="look into folders of folders")
    for option, how in (task_options("views") | task_options("predicting")).items():
        parser.add_argument(f"--{option}", default=None, **how)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quiet", action="store_true", help="print nothing but failures")
    return parser.parse_args(arguments)


@command_line()
def main(arguments: list[str] | None = None) -> int:
    """Predict, and report the images that failed; the exit code is 1 if any did."""
    options = parse_arguments(arguments)
    disable_progress_bar()  # of loading weights; ours counts the photos
    predictor = load_predictor(
        options.model,
        options.revision,
        options.trust_remote_code,
        options.device,
        **{option: getattr(options, option) for option in task_options("views") | task_options("predicting")},
    )
    failures = predict_files(
        predictor, options.inputs, options.output_dir, options.recursive, progress=not options.quiet
    )
    for file, reason in failures.items():
        print(f"failed: {file}: {reason}", file=sys.stderr)
    if not options.quiet:
        print(f"pictures are in {options.output_dir}; {len(failures)} images failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
