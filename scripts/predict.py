"""Predict images: python scripts/predict.py --model FOLDER_OR_ID --output_dir OUT photo.jpg folder/ ..."""

import argparse
import sys

import torch

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.predict import load_predictor, predict_files


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser("Write a label PNG and a colour overlay PNG for every image.")
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
    parser.add_argument(
        "--short_side", type=int, help="instead of the saved processor's; 0: each photo's own"
    )
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], help="average over these scales")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored photo")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


@command_line()
def main(arguments: list[str] | None = None) -> int:
    """Predict, and report the images that failed; the exit code is 1 if any did."""
    options = parse_arguments(arguments)
    predictor = load_predictor(
        options.model,
        options.revision,
        options.trust_remote_code,
        options.device,
        short_side=options.short_side,
        scales=options.scales,
        flip=options.flip,
    )
    failures = predict_files(predictor, options.inputs, options.output_dir, options.recursive)
    for file, reason in failures.items():
        print(f"failed: {file}: {reason}", file=sys.stderr)
    print(f"pictures are in {options.output_dir}; {len(failures)} images failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
