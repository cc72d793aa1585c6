"""Measure the operator, its baselines and this processor's limits side by side; write results.json."""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

# torch's own bfloat16 products die on virtual machines that name AMX and refuse it
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")

import torch
from baseline import bilinear, segformer_calls, tiled, unfolded
from limits import compile_limits, limit_seconds
from report import table, verdicts, write_report


def seconds(function, calls):
    """Wall time of one round over the calls; every output is freed before the next call."""
    start = time.perf_counter()
    for call in calls:
        function(*call)
    return time.perf_counter() - start


def training(function):
    """The forward pass and the gradients of all that takes part; a call's last tensor is the output's."""

    def step(*call):
        *tensors, grad = call
        torch.autograd.grad(function(*tensors), tensors, grad, allow_unused=True)

    return step


def with_backward(candidates, calls):
    """Candidates that make the gradients too, and calls that end with the gradient of their output."""
    steps = {name: training(function) for name, function in candidates.items()}
    shapes = [(*c[0].shape[:3], c[2].shape[3]) for c in calls]
    grads = [torch.randn(s, device=c[0].device).to(c[0].dtype) for s, c in zip(shapes, calls, strict=True)]
    return steps, [(*call, grad) for call, grad in zip(calls, grads, strict=True)]


def interleaved(candidates, calls, rounds, rates, threads):
    """Best times of the candidates and best rates of the processor, each taken once a round."""
    times, measured = {name: [] for name in candidates}, {name: [] for name in rates}
    for _ in range(rounds + 1):
        for name, rate in rates.items():
            measured[name].append(max(rate(threads) for _ in range(5)))
        for name, function in candidates.items():
            times[name].append(seconds(function, calls))
    best = {name: min(values[1:]) for name, values in times.items()}
    spread = {name: statistics.median(values[1:]) for name, values in times.items()}
    return best, spread, {name: max(values) for name, values in measured.items()}


def compare(candidates, calls, backward, rounds):
    """One row of a comparison on one thread: best milliseconds over the calls, and ratios to the first."""
    if backward:
        candidates, calls = with_backward(candidates, calls)
    best, _, _ = interleaved(candidates, calls, rounds, {}, 1)
    first = next(iter(best.values()))
    return {
        "pass": "forward+backward" if backward else "forward",
        "dtype": str(calls[0][0].dtype).removeprefix("torch."),
        "milliseconds": {name: round(1e3 * seconds, 3) for name, seconds in best.items()},
        "ratio_to_the_first": {name: round(seconds / first, 3) for name, seconds in best.items()},
    }


def measure_case(sapa, rates, dtype, batch, threads, backward, rounds):
    """One row of the table."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    candidates = {"kernel": sapa.sapa_upsample, "tiled": tiled, "bilinear": bilinear}
    if batch == 1:
        candidates["unfold"] = unfolded
    calls = segformer_calls(batch, dtype, grad=backward)
    if backward:
        candidates, calls = with_backward(candidates, calls)
    best, median, measured = interleaved(candidates, calls, rounds, rates, threads)
    limit = limit_seconds(batch, dtype.itemsize, False, measured["flops"], measured["bandwidth"])
    if backward:
        limit += limit_seconds(batch, dtype.itemsize, True, measured["flops"], measured["bandwidth"])
    row = {
        "pass": "forward+backward" if backward else "forward",
        "dtype": str(dtype).removeprefix("torch."),
        "batch": batch,
        "threads": threads,
        "milliseconds": {name: round(1e3 * value, 3) for name, value in best.items()},
        "median_milliseconds": {name: round(1e3 * value, 3) for name, value in median.items()},
        "limit_milliseconds": round(1e3 * limit, 3),
        "times_faster_than": {n: round(t / best["kernel"], 2) for n, t in best.items() if n != "kernel"},
        "share_of_limit": round(limit / best["kernel"], 3),
        "gflops": round(measured["flops"] / 1e9, 1),
        "gigabytes_per_second": round(measured["bandwidth"] / 1e9, 1),
    }
    if batch > 1:
        row["fresh_page_milliseconds"] = round(1e3 * fresh_page_seconds(calls, dtype), 3)
    return row


def fresh_page_seconds(calls, dtype):
    """What writing the outputs into fresh 4 kB pages costs beyond writing them into warm ones."""
    total = 0.0
    for query, _, value, *_ in calls:
        fresh, warm = [], []
        for _ in range(3):
            start = time.perf_counter()
            output = torch.empty(*query.shape[:3], value.shape[3], dtype=dtype).fill_(1)
            middle = time.perf_counter()
            output.fill_(2)
            fresh.append(middle - start)
            warm.append(time.perf_counter() - middle)
            del output
        total += max(0.0, min(fresh) - min(warm))
    return total


def extra_bytes(sapa):
    """Peak memory of the largest call at batch 4 beyond its output, as a share of the output."""
    query, key, value = segformer_calls(4, torch.float32)[-1]
    sapa.sapa_upsample(query[:1, :2, :2], key[:1, :1, :1], value[:1, :1, :1])
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = process_bytes("VmRSS")
    output = sapa.sapa_upsample(query, key, value)
    return (process_bytes("VmHWM") - before) / (output.numel() * output.element_size()) - 1


def process_bytes(name):
    """Read a figure of this process from /proc, such as "VmRSS"."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"no {name} in /proc/self/status")


def processor():
    """The processor's name with its vectors, and core count."""
    names = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")]
    name = names[0].split(":")[1].strip() if names else platform.processor()
    return {
        "name": f"{name} ({torch.backends.cpu.get_cpu_capability()})",
        "cores": os.cpu_count(),
    }


def main():
    """Measure everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results.json"))
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    chosen = parser.parse_args()
    from sapa_hf.kernels import local_build
    from sapa_hf.kernels.compilers import find_compiler
    from sapa_hf.modeling.kernel_folder import load_local

    if local_build() is None or find_compiler() is None:
        sys.exit("Needs a built kernel (python -m sapa_hf.kernels build) and a C++ compiler.")
    sapa, rows = load_local(local_build()), []
    results = {
        "processor": processor(),
        "torch": torch.__version__,
        "kernel": sapa.__name__,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": chosen.rounds,
        "load_average": round(os.getloadavg()[0], 1),
        "extra_memory_share_of_output": round(extra_bytes(sapa), 3),
        "rows": rows,
    }
    with tempfile.TemporaryDirectory() as folder:
        rates = dict(zip(("flops", "bandwidth"), compile_limits(find_compiler(), folder), strict=True))
        for backward in (False, True):
            for dtype in (torch.float32, torch.bfloat16):
                for batch in chosen.batches:
                    for threads in chosen.threads:
                        row = measure_case(sapa, rates, dtype, batch, threads, backward, chosen.rounds)
                        row["goals_met"] = verdicts(row)
                        rows.append(row)
                        print(table(rows[-1:]).splitlines()[-1], flush=True)
                        chosen.output.write_text(json.dumps(results, indent=2) + "\n")
    write_report(chosen.report, results)
    print(table(rows))


if __name__ == "__main__":
    main()
