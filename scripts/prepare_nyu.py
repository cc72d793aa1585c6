"""Turn BTS's folders of NYU Depth V2 into parquet: one call for the training split, one for the test split.

    python scripts/prepare_nyu.py --root sync --list nyudepthv2_train_files_with_gt.txt \
        --split train --output_dir nyu
    python scripts/prepare_nyu.py --root official_splits/test --list nyudepthv2_test_files_with_gt.txt \
        --split test --output_dir nyu

Training then takes data_path=nyu.
"""

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.data.nyu_folders import convert_folders


@command_line()
def main(arguments: list[str] | None = None) -> None:
    """Convert one split."""
    parser = argument_parser(__doc__)
    parser.add_argument("--root", required=True, help="folder that the list's paths begin in")
    parser.add_argument("--list", required=True, help="text file: photo, depth and focal length a line")
    parser.add_argument("--split", required=True, choices=["train", "test"])
    parser.add_argument("--output_dir", required=True, help="folder for data/<split>-*.parquet")
    parser.add_argument("--rows_per_file", type=int, default=500)
    options = parser.parse_args(arguments)
    files = convert_folders(
        options.list, options.root, options.output_dir, options.split, options.rows_per_file
    )
    print(f"{len(files)} files of {options.split} are in {options.output_dir}/data")


if __name__ == "__main__":
    main()
