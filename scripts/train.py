"""Train a model by a recipe: `train.py segformer_small_camvid data_path=<folder> max_steps=500 [--resume]`.

The recipe is a YAML file or the name of one that ships with the package. Any key can be given again after it,
as `key=value` or `--key value`; `--help` lists them. Runs as it is under torchrun and accelerate launch.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from transformers.utils.logging import disable_progress_bar

from sapa_hf.command_line import MISTAKE, command_line, version_line
from sapa_hf.tasks import task_named
from sapa_hf.training import NonFiniteError, Trainer, parse_arguments

USAGE = "usage: train.py RECIPE [key=value ...] [--key value ...]; --help lists the keys"


@command_line(failures=(NonFiniteError,))
def main(tokens: Sequence[str] | None = None) -> None:
    """Train, and print the table of results."""
    tokens = sys.argv[1:] if tokens is None else tokens
    if "--version" in tokens:
        print(version_line())
        return
    if not tokens:
        print(USAGE, file=sys.stderr)
        sys.exit(MISTAKE)
    rank = int(os.environ.get("RANK", 0))
    logging.basicConfig(
        level=logging.INFO if rank == 0 else logging.ERROR, format="%(levelname)s %(message)s"
    )
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    disable_progress_bar()  # of loading and saving weights, which would break ours
    arguments = parse_arguments(tokens)
    trainer = Trainer(task_named(arguments.run.task)(arguments), arguments)
    table = trainer.train()
    if table and rank == 0:
        print(table)


if __name__ == "__main__":
    main()
