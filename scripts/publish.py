"""Turn a trained model into a folder for the Hub: `publish.py --run runs/x --output_dir FOLDER`.

The folder is loaded again in an interpreter without sapa_hf before anything is uploaded; only `--push`
uploads.
"""

import argparse
from collections.abc import Sequence

from transformers.utils.logging import disable_progress_bar

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.publishing import (
    assemble_folder,
    check_folder,
    find_model,
    find_results,
    push_folder,
    recorded_base,
    recorded_results,
)


@command_line(failures=(RuntimeError,))
def main(arguments: Sequence[str] | None = None) -> None:
    """Assemble, check and, when asked to, upload."""
    parser = argument_parser(__doc__)
    parser.add_argument("--run", help="output_dir of a training run")
    parser.add_argument("--model", default="best", help="best or last of the run, or a model folder")
    parser.add_argument("--output_dir", required=True, help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier publishing wrote")
    parser.add_argument(
        "--base_model", help='checkpoint the training started from, or "scratch"; default: as recorded'
    )
    parser.add_argument("--repo_id", help="ORGANISATION/NAME on the Hub")
    parser.add_argument("--push", action="store_true", help="upload to repo_id")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    options = parser.parse_args(arguments)
    if options.run is None and options.model in ("best", "last"):
        parser.error("give --run FOLDER, or a model folder as --model FOLDER")
    if options.push and not options.repo_id:
        parser.error("--push needs --repo_id ORGANISATION/NAME")

    disable_progress_bar()
    folder = publish(options)
    if options.push:
        commit = push_folder(folder, options.repo_id, options.private)
        print(f"uploaded {options.repo_id}, revision {commit}")


def publish(options: argparse.Namespace):
    """Assemble the folder and load it back in a bare interpreter."""
    model, results = find_model(options.run, options.model), find_results(options.run, options.model)
    base = options.base_model or recorded_base(options.run, options.model)
    folder = assemble_folder(model, options.output_dir, results, options.repo_id, base, options.overwrite)
    difference = check_folder(folder)
    print(f"wrote {folder}")
    if results is None:
        found = recorded_results(options.run, options.model) is not None
        reason = "the results file measured other weights" if found else "there is no results file"
        print(f"the card shows no figures: {reason}")
    if base is not None and base.startswith("./"):
        print(f"the card names no base model: {base} is not known to be on the Hub; see --base_model")
    print(f"loaded it without sapa_hf: the largest difference of the outputs is {difference:g}")
    return folder


if __name__ == "__main__":
    main()
