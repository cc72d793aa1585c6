"""Score segmentation models of a data set close to boundaries: mIoU in bands of some pixels to either side.

    python scripts/boundary_bands.py --models bilinear=runs/bilinear/best sapa-b=runs/sapa-b/best \
        --dataset camvid --data_path FOLDER --output bands.json

Bands are measured at the labels' own size. Differences in the table are to the first model.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.data import SPECS, Samples, get_spec, load_split
from sapa_hf.markdown import markdown_table
from sapa_hf.paper.boundary_bands import BandScores
from sapa_hf.paper.segmenters import load_segmenters
from sapa_hf.provenance import source_commit


def parse_arguments(tokens: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--models", nargs="+", required=True, metavar="CAPTION=FOLDER")
    parser.add_argument("--dataset", required=True, choices=sorted(SPECS))
    parser.add_argument("--data_path", help="local folder or Hub id; its usual place unless given")
    parser.add_argument("--split", help="the data set's test split unless given")
    parser.add_argument("--short_side", type=int, help="of the photo in the network; its own unless given")
    parser.add_argument("--max_side", type=int)
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 2, 4, 8], help="pixels")
    parser.add_argument("--limit", type=int, help="number of photos; all unless given")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(tokens)
    if min(options.widths) < 1:
        parser.error(f"--widths must be at least 1, got {min(options.widths)}")
    return options


@command_line()
def main(tokens: Sequence[str] | None = None) -> None:
    """Score the models, write the file and print the table."""
    options = parse_arguments(tokens)
    disable_progress_bar()
    path = {} if options.data_path is None else {"path": options.data_path}
    spec = get_spec(options.dataset, **path)
    sides = {name: value for name in ("short_side", "max_side") if (value := getattr(options, name))}
    predictors = load_segmenters(options.models, spec, **sides)
    samples = Samples(load_split(spec, options.split or spec.test_split), spec)
    scores = {
        caption: BandScores(len(predictor.id2label), spec.ignore_index, options.widths)
        for caption, predictor in predictors.items()
    }
    count = min(len(samples), options.limit or len(samples))
    for index in tqdm(range(count), unit="photo"):
        sample = samples[index]
        for caption, predictor in predictors.items():
            prediction = predictor.predict(sample["image"], sample["id"])
            scores[caption].add(prediction, sample["labels"], sample["id"])
    found = {caption: one.results() for caption, one in scores.items()}
    about = {"dataset": options.dataset, "images": count, "commit": source_commit(), **sides}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"about": about, "mean_iou": found}, indent=1) + "\n")
    print(table(found))


def table(found: dict[str, dict[str, float]]) -> str:
    """Lay out the bands as rows and the models as columns, per cent, each beside the first model."""
    first, *others = found
    rows = [
        [band, f"{100 * iou:.2f}"]
        + [f"{100 * found[name][band]:.2f} ({100 * (found[name][band] - iou):+.2f})" for name in others]
        for band, iou in found[first].items()
    ]
    return markdown_table(["pixels from a boundary", first, *others], rows)


if __name__ == "__main__":
    main()
