"""Time the kernel, the operator's forms and whole models side by side; write docs/benchmark.json and .md."""

from collections.abc import Sequence
from pathlib import Path

import torch

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.paper.benchmark import (
    benchmark_goals,
    benchmark_memory,
    benchmark_model,
    benchmark_operator,
    write_report,
)
from sapa_hf.provenance import source_commit

PARTS = ["goals", "operator", "model", "memory"]


@command_line()
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments and run the parts."""
    parser = argument_parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all unless given")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no_compile", action="store_true", help="leave torch.compile's forms out")
    parser.add_argument("--output_dir", type=Path, default=Path("docs"))
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    settings = {name: getattr(options, name) for name in ("batch", "threads", "device", "dtype", "rounds")}
    settings["commit"] = source_commit()  # before the goals' results file, which is tracked, is written
    batch, device, rounds = options.batch, options.device, options.rounds
    parts = {}
    if "goals" in options.parts and device == "cpu":
        parts["goals"] = benchmark_goals(rounds)
    dtype = getattr(torch, options.dtype)
    if "operator" in options.parts:
        parts["operator"] = benchmark_operator(batch, device, dtype, rounds, not options.no_compile)
    if "model" in options.parts:
        parts["model"] = benchmark_model(batch, device=device, dtype=dtype, rounds=rounds)
    if "memory" in options.parts:
        parts["memory"] = benchmark_memory()
    print(write_report(options.output_dir, parts, settings))


if __name__ == "__main__":
    main()
