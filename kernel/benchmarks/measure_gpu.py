"""Measure the operator on a GPU beside its limit, eager forms, torch.compile and bilinear upsampling."""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from baseline import bilinear, segformer_calls, tiled, unfolded
from limits import limit_seconds

START, END = "<!-- measured on a GPU: start -->", "<!-- measured on a GPU: end -->"
# Microseconds of the six calls on an H200: forward, backward; the aims of the design, not measurements.
TARGETS = {
    ("bfloat16", 1): (35, 60),
    ("bfloat16", 8): (125, 240),
    ("bfloat16", 16): (240, 450),
    ("float32", 1): (45, 90),
    ("float32", 8): (270, 600),
    ("float32", 16): (520, 1150),
}


def microseconds(replay, rounds, spoil):
    """Median time of a captured graph; overwriting `spoil` before each round makes caches start cold."""
    times = []
    for _ in range(rounds):
        spoil.zero_()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        replay()
        end.record()
        end.synchronize()
        times.append(1e3 * start.elapsed_time(end))
    return statistics.median(times)


def captured(function, calls):
    """All calls as one CUDA graph, so that the time to launch them does not count."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            for call in calls:
                function(*call)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            function(*call)
    return graph.replay


def training(function):
    """The forward pass and the gradients of query, key and value."""

    def step(query, key, value, grad):
        torch.autograd.grad(function(query, key, value), (query, key, value), grad, allow_unused=True)

    return step


def rates(dtype, rounds, spoil):
    """Operations a second of a large matrix product and bytes a second of a large copy."""
    left, right = (torch.randn(8192, 8192, device="cuda").to(dtype) for _ in range(2))
    product = microseconds(captured(torch.matmul, [(left, right)]), rounds, spoil)
    source, target = (torch.zeros(1 << 30, dtype=torch.uint8, device="cuda") for _ in range(2))
    copy = microseconds(captured(target.copy_, [(source,)]), rounds, spoil)
    return 2 * 8192**3 / (1e-6 * product), 2 * (1 << 30) / (1e-6 * copy)


def check_output(function, call):
    """Refuse to time what does not compute the operator: compares with the tiled form in float32.

    Outputs reach 4.5, where rounding to bfloat16 costs up to 0.016; the border or a tap left out costs 0.8.
    """
    call = [tensor.detach() for tensor in call]
    difference = (function(*call).float() - tiled(*(tensor.float() for tensor in call))).abs().max().item()
    if not difference < (1e-3 if call[0].dtype == torch.float32 else 0.04):
        raise RuntimeError(
            f"the kernel in {call[0].dtype} and the tiled form in float32 differ by {difference}; "
            "nothing is timed"
        )


def measure_case(sapa, dtype, batch, backward, rounds, spoil):
    """One row of the table."""
    torch.manual_seed(0)
    torch._dynamo.reset()  # a case brings new shapes, and torch limits how often a function is compiled
    calls = segformer_calls(batch, dtype, "cuda", grad=backward)
    check_output(sapa.sapa_upsample, calls[0])
    candidates = {
        "kernel": sapa.sapa_upsample,
        "tiled": tiled,
        "compiled": torch.compile(tiled, dynamic=False, fullgraph=True),  # an error, never eager in its place
        "unfold": unfolded,
        "bilinear": bilinear,
    }
    if backward:
        candidates = {name: training(function) for name, function in candidates.items()}
        calls = [(*c, torch.randn(*c[0].shape[:3], c[2].shape[3], device="cuda").to(dtype)) for c in calls]
    times = {name: microseconds(captured(f, calls), rounds, spoil) for name, f in candidates.items()}
    flops, bandwidth = rates(dtype, rounds, spoil)
    limit = sum(limit_seconds(batch, dtype.itemsize, b, flops, bandwidth) for b in range(1 + backward))
    name = str(dtype).removeprefix("torch.")
    target = TARGETS.get((name, batch), (None, None))
    return {
        "pass": "forward+backward" if backward else "forward",
        "dtype": name,
        "batch": batch,
        "microseconds": {n: round(t, 1) for n, t in times.items()},
        "limit_microseconds": round(1e6 * limit, 1),
        "target_microseconds": sum(target) if backward and target[0] else target[0],
        "share_of_limit": round(1e6 * limit / times["kernel"], 3),
    }


def table(rows):
    """The rows as Markdown."""
    names = ("kernel", "tiled", "compiled", "unfold", "bilinear")
    head = ["pass", "dtype", "batch", *(f"{n} us" for n in names), "limit us", "target us", "share of limit"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["pass"], row["dtype"], row["batch"], *(row["microseconds"][n] for n in names)]
        cells += [row["limit_microseconds"], row["target_microseconds"] or "", row["share_of_limit"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def write_report(path, results):
    """Put the table between its marks in RESULTS.md."""
    head, rest = path.read_text().split(START)
    summary = (
        f"Measured {results['date']} on {results['gpu']}, torch {results['torch']}: the six calls as one "
        f"CUDA graph with cold caches, median of {results['rounds']} rounds."
    )
    path.write_text(f"{head}{START}\n{summary}\n\n{table(results['rows'])}\n{END}{rest.split(END)[1]}")


def main():
    """Measure everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results_gpu.json"))
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16])
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        print("No GPU is here: nothing was measured, and no file was changed.")
        return
    from sapa_hf.kernels import local_build
    from sapa_hf.modeling.kernel_folder import load_local

    if local_build() is None:
        sys.exit("Needs a built kernel: python -m sapa_hf.kernels build")
    sapa, spoil = load_local(local_build()), torch.empty(1 << 28, dtype=torch.uint8, device="cuda")
    results = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "kernel": sapa.__name__,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": chosen.rounds,
        "rows": [],
    }
    for backward in (False, True):
        for dtype in (torch.bfloat16, torch.float32):
            for batch in chosen.batches:
                results["rows"].append(measure_case(sapa, dtype, batch, backward, chosen.rounds, spoil))
                print(table(results["rows"][-1:]).splitlines()[-1], flush=True)
                chosen.output.write_text(json.dumps(results, indent=2) + "\n")
    write_report(chosen.report, results)


if __name__ == "__main__":
    main()
