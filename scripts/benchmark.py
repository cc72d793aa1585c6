"""Time the kernel, the operator's forms and whole models side by side; write docs/benchmark.json and .md."""

import argparse
from pathlib import Path

import torch

from sapa_hf.paper.benchmark import benchmark_goals, benchmark_model, benchmark_operator, write_report
from sapa_hf.provenance import source_commit

PARTS = ["goals", "operator", "model"]


def main() -> None:
    """Parse the arguments and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all unless given")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no_compile", action="store_true", help="leave torch.compile's forms out")
    parser.add_argument("--output_dir", type=Path, default=Path("docs"))
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    settings = {name: getattr(arguments, name) for name in ("batch", "threads", "device", "dtype", "rounds")}
    settings["commit"] = source_commit()  # before the goals' results file, which is tracked, is written
    batch, device, rounds = arguments.batch, arguments.device, arguments.rounds
    parts = {}
    if "goals" in arguments.parts and device == "cpu":
        parts["goals"] = benchmark_goals(rounds)
    dtype = getattr(torch, arguments.dtype)
    if "operator" in arguments.parts:
        parts["operator"] = benchmark_operator(batch, device, dtype, rounds, not arguments.no_compile)
    if "model" in arguments.parts:
        parts["model"] = benchmark_model(batch, device=device, dtype=dtype, rounds=rounds)
    print(write_report(arguments.output_dir, parts, settings))


if __name__ == "__main__":
    main()
