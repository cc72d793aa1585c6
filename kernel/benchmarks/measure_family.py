"""Measure the family's attention, by one call of `sapa_upsample` and as others compute it.

python kernel/benchmarks/measure_family.py

Each form is compared with loops in float64 first; one that differs is not timed. Each is measured in a
process of its own, so that its peak of memory is its own: what it takes beyond inputs and outputs. Writes
results_family.json.
"""

import argparse
import ctypes
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from family import by_loops, enlarged, flex, unfolded
from measure import process_bytes, processor

CASES = {  # (H, W), (H', W'), heads, d, C, K
    "NAF: 32 x 32 -> 448 x 448": ((32, 32), (448, 448), 4, 64, 96, 9),
    "neighbourhood attention: 56 x 56": ((56, 56), (56, 56), 4, 32, 32, 7),
}
TOLERANCE = 2e-5


def one_call(query, key, value, kernel_size):
    """The whole family's form."""
    from sapa_hf import sapa_upsample

    return sapa_upsample(query, key * key.shape[-1] ** -0.5, value, kernel_size, "shift")


FORMS = {
    "kernel": one_call,
    "plain PyTorch": one_call,
    "unfold": unfolded,
    "enlarged": enlarged,
    "flex": flex,
}
UNTRAINED = {
    "enlarged": "autograd would keep the enlarged maps once a tap",
    "flex": "flex_attention has no backward pass on a CPU",
}


def inputs(case, grad):
    """Query, key and value, and the gradient of the output."""
    size, guide_size, heads, embedding, channels, _ = CASES[case]
    torch.manual_seed(0)
    shapes = (*guide_size, heads, embedding), (*size, heads, embedding), (*size, heads, channels)
    tensors = [torch.randn(1, *shape).requires_grad_(grad) for shape in shapes]
    return tensors, torch.randn(1, *guide_size, heads, channels) if grad else None


def check(form, case):
    """Compare some pixels, corners included, with the loops."""
    tensors, _ = inputs(case, False)
    kernel_size, (high, wide) = CASES[case][-1], CASES[case][1]
    pixels = [(0, 0), (0, wide - 1), (high - 1, wide // 2), (high // 2, wide // 3), (high // 3, wide - 2)]
    output, expected = form(*tensors, kernel_size), by_loops(*tensors, kernel_size, pixels)
    worst = max((output[0, i, j] - expected[n]).abs().max().item() for n, (i, j) in enumerate(pixels))
    if not worst < TOLERANCE:
        raise RuntimeError(f"the output is {worst:.1e} away from the loops; nothing is timed")
    return worst


def measure(form, case, backward, rounds):
    """Time of the best round, and the peak of memory beyond inputs and output."""
    tensors, grad = inputs(case, backward)

    def step():
        output = form(*tensors, CASES[case][-1])
        if backward:
            torch.autograd.grad(output, tensors, grad)

    size, guide_size, heads, embedding, channels, _ = CASES[case]
    own = 4 * heads * math.prod(guide_size) * channels
    if backward:  # the gradients of the inputs, too
        own += 4 * heads * (math.prod(guide_size) * embedding + math.prod(size) * (embedding + channels))
    with torch.set_grad_enabled(backward):
        step()  # what is compiled or loaded once
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # gives back what the first step has left
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before = process_bytes("VmRSS")
        step()
        peak = process_bytes("VmHWM") - before - own
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
    return {"seconds": round(min(times), 5), "megabytes": round(peak / 2**20)}


def in_a_process(name, case, backward, rounds, threads):
    """Run this file for one form, and give what it measured."""
    command = [sys.executable, __file__, "--one", name, case, str(int(backward)), str(rounds), str(threads)]
    environment = {**os.environ, "SAPA_BACKEND": "auto" if name == "kernel" else "plain"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} did not run: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _earlier(file):
    return json.loads(file.read_text())["rows"] if file.is_file() else []


def main():
    """Measure every form of every case, forward and with backward."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results_family.json"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--cases", nargs="+", choices=CASES, default=list(CASES), help="others stay as they are"
    )
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        name, case, backward, rounds, threads = chosen.one
        torch.set_num_threads(int(threads))
        with torch.no_grad():
            worst = check(FORMS[name], case)
        print(json.dumps({**measure(FORMS[name], case, backward == "1", int(rounds)), "error": worst}))
        return
    results = {
        "processor": processor(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": chosen.rounds,
        "threads": chosen.threads,
        "rows": [row for row in _earlier(chosen.output) if row["case"] not in chosen.cases],
    }
    for case in chosen.cases:
        for backward in (False, True):
            forms = {}
            for name in FORMS:
                if backward and name in UNTRAINED:
                    forms[name] = {"refused": UNTRAINED[name]}
                else:
                    forms[name] = in_a_process(name, case, backward, chosen.rounds, chosen.threads)
                print(case, "with backward" if backward else "forward", name, forms[name], flush=True)
            results["rows"].append({"case": case, "backward": backward, "forms": forms})
            chosen.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
