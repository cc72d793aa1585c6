"""Draw the paper's Figure 2: `visualize.py --models runs/a runs/b --images photo.png --output figure2.png`.

One picture: a column for each model, rows for its decoder feature before and after the upsampling, and for
the kernels at a few points of each photo.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from sapa_hf.atomic_write import atomic_write
from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.paper.visualization import draw_upsampling
from sapa_hf.predict import find_images


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--models", nargs="+", required=True, help="model folders, or runs: then their best")
    parser.add_argument("--images", nargs="+", required=True, help="image files and folders of them")
    parser.add_argument("--output", type=Path, default=Path("figure2.png"), help="PNG to write")
    parser.add_argument("--captions", nargs="+", help="one a model, instead of the operators' names")
    parser.add_argument(
        "--points", nargs="+", type=point, metavar="X,Y", help="pixels of every image; chosen unless given"
    )
    parser.add_argument(
        "--channels",
        type=channels,
        default="pca",
        help="pca (first three principal components), mean, a channel's number, or R,G,B numbers",
    )
    parser.add_argument("--level", type=int, default=4, help="the step that leads to 1/LEVEL of the image")
    parser.add_argument(
        "--short_side", type=int, help="instead of the saved processors'; 0: each photo's own"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


@command_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figure and write it, whole or not at all."""
    options = parse_arguments(arguments)
    disable_progress_bar()
    images = [file for file, _ in find_images(options.images)]
    if options.output.resolve() in [file.resolve() for file in images]:
        raise ValueError(f"{options.output} is one of the images: choose another --output")
    figure = draw_upsampling(
        options.models,
        images,
        options.points,
        captions=options.captions,
        channels=options.channels,
        level=options.level,
        short_side=options.short_side,
        device=options.device,
    )
    with atomic_write(options.output) as partial:
        figure.save(partial, format="PNG")
    print(f"wrote {options.output}, {figure.width} x {figure.height} pixels")


def point(text: str) -> tuple[int, int]:
    """Read x,y."""
    x, y = map(int, text.split(","))
    return x, y


def channels(text: str) -> str | int | tuple[int, ...]:
    """Read a word, a number, or numbers with commas between them."""
    if text in ("pca", "mean"):
        return text
    numbers = tuple(map(int, text.split(",")))
    return numbers if len(numbers) > 1 else numbers[0]


if __name__ == "__main__":
    main()
