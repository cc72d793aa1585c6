"""List the compositions of the Adobe matting set: one call for the training split, one for the test split.

    python scripts/prepare_composition1k.py --root Combined_Dataset --backgrounds train2014 \
        --split train --output_dir composition_1k
    python scripts/prepare_composition1k.py --root Combined_Dataset --backgrounds VOC2012/JPEGImages \
        --split test --output_dir composition_1k

Nothing is copied. Training then takes data_path=composition_1k.
"""

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.data.adobe_folders import BACKGROUNDS, list_compositions


@command_line()
def main(arguments: list[str] | None = None) -> None:
    """List one split."""
    parser = argument_parser(__doc__)
    parser.add_argument("--root", required=True, help="the set's folder with Training_set and Test_set")
    parser.add_argument("--backgrounds", required=True, help="folder of the photos that lie behind")
    parser.add_argument("--split", required=True, choices=list(BACKGROUNDS))
    parser.add_argument("--output_dir", required=True, help="folder for <split>.jsonl")
    options = parser.parse_args(arguments)
    count = list_compositions(options.root, options.backgrounds, options.split, options.output_dir)
    print(f"{count} compositions are listed in {options.output_dir}/{options.split}.jsonl")


if __name__ == "__main__":
    main()
