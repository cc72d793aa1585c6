"""Draw what segmentation models say of photos of a data set: side by side, whole and close.

    python scripts/compare.py --models bilinear=runs/bilinear/best sapa-b=runs/sapa-b/best \
        --dataset camvid --data_path FOLDER --output comparison.png

The photos are those with the most borders between classes, by their labels alone: nobody chooses them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.data import SPECS, Samples, get_spec, load_split
from sapa_hf.paper.comparison import busiest, compare, stacked
from sapa_hf.paper.segmenters import load_segmenters


def parse_arguments(tokens: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--models", nargs="+", required=True, metavar="CAPTION=FOLDER")
    parser.add_argument("--dataset", required=True, choices=sorted(SPECS))
    parser.add_argument("--data_path", help="local folder or Hub id; its usual place unless given")
    parser.add_argument("--split", help="the data set's test split unless given")
    parser.add_argument("--count", type=int, default=2, help="number of photos")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    options = parser.parse_args(tokens)
    if options.count < 1:
        parser.error(f"--count must be at least 1, got {options.count}")
    return options


@command_line()
def main(tokens: Sequence[str] | None = None) -> None:
    """Draw the picture."""
    options = parse_arguments(tokens)
    disable_progress_bar()
    path = {} if options.data_path is None else {"path": options.data_path}
    spec = get_spec(options.dataset, **path)
    samples = Samples(load_split(spec, options.split or spec.test_split), spec)
    predictors = load_segmenters(options.models, spec)
    maps = (samples[index]["labels"] for index in range(len(samples)))
    chosen = [samples[index] for index in busiest(maps, options.count)]
    pictures = [
        compare(
            sample["image"],
            sample["labels"],
            {name: one.predict(sample["image"], sample["id"]) for name, one in predictors.items()},
            spec.id2label,
        )
        for sample in chosen
    ]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    stacked(pictures).save(options.output)
    print(f"{options.output}: {', '.join(sample['id'] for sample in chosen)}")


if __name__ == "__main__":
    main()
