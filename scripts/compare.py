"""Draw what segmentation models say of photos of a data set: side by side, whole and close.

    python scripts/compare.py --models bilinear=runs/bilinear/best sapa-b=runs/sapa-b/best \
        --dataset camvid --data_path FOLDER --output comparison.png

The photos are those with the most borders between classes, or with the most pixels of the classes that are
named, by their labels alone: nobody chooses them.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.data import SPECS, Samples, get_spec, load_split
from sapa_hf.paper.comparison import busiest, compare, fullest, stacked
from sapa_hf.paper.segmenters import load_segmenters


def parse_arguments(tokens: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--models", nargs="+", required=True, metavar="CAPTION=FOLDER")
    parser.add_argument("--dataset", required=True, choices=sorted(SPECS))
    parser.add_argument("--data_path", help="local folder or Hub id; its usual place unless given")
    parser.add_argument("--split", help="the data set's test split unless given")
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="photos with the most of these classes, and close looks at them",
    )
    parser.add_argument("--count", type=int, default=2, help="number of photos")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    options = parser.parse_args(tokens)
    if options.count < 1:
        parser.error(f"--count must be at least 1, got {options.count}")
    return options


def class_numbers(names: Sequence[str], id2label: Mapping[int, str]) -> list[int]:
    """Give the numbers of classes by their names; refuses a name that the data set does not have."""
    numbers = {name: number for number, name in id2label.items()}
    unknown = [name for name in names if name not in numbers]
    if unknown:
        raise ValueError(f"--classes must be among {', '.join(numbers)}, got {', '.join(unknown)}")
    return [numbers[name] for name in names]


@command_line()
def main(tokens: Sequence[str] | None = None) -> None:
    """Draw the picture."""
    options = parse_arguments(tokens)
    disable_progress_bar()
    path = {} if options.data_path is None else {"path": options.data_path}
    spec = get_spec(options.dataset, **path)
    samples = Samples(load_split(spec, options.split or spec.test_split), spec)
    classes = None if options.classes is None else class_numbers(options.classes, spec.id2label)
    predictors = load_segmenters(options.models, spec)
    maps = (samples[index]["labels"] for index in range(len(samples)))
    found = busiest(maps, options.count) if classes is None else fullest(maps, classes, options.count)
    chosen = [samples[index] for index in found]
    pictures = [
        compare(
            sample["image"],
            sample["labels"],
            {name: one.predict(sample["image"], sample["id"]) for name, one in predictors.items()},
            spec.id2label,
            classes,
        )
        for sample in chosen
    ]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    stacked(pictures).save(options.output)
    print(f"{options.output}: {', '.join(sample['id'] for sample in chosen)}")


if __name__ == "__main__":
    main()
