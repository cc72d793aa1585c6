"""Measure what a bias by place costs the kernel, beside the same call without one.

python kernel/benchmarks/measure_bias.py --rounds 20
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch
from baseline import segformer_calls
from measure import compare, processor

KERNEL_SIZE = 5


def with_tables(calls):
    """Give each call its two tables."""
    return [
        (*call, *(torch.randn(size, KERNEL_SIZE, requires_grad=True) for size in call[0].shape[1:3]))
        for call in calls
    ]


def candidates(sapa, sapa_upsample, border):
    """Name the forms: the kernel without the tables, with them, and plain PyTorch with them."""

    def without(query, key, value, rows, columns):
        return sapa.sapa_upsample(query, key, value, KERNEL_SIZE, border)

    def biased(query, key, value, rows, columns):
        return sapa.sapa_upsample(query, key, value, KERNEL_SIZE, border, bias=(rows, columns))

    def plain(query, key, value, rows, columns):
        return sapa_upsample(query, key, value, KERNEL_SIZE, border, backend="plain", bias=(rows, columns))

    return {"without": without, "with a bias": biased, "plain PyTorch with a bias": plain}


def main():
    """Measure both borders, dtypes and passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results_bias.json"))
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    from sapa_hf.kernels import local_build
    from sapa_hf.modeling import sapa_upsample
    from sapa_hf.modeling.kernel_folder import load_local

    if local_build() is None:
        sys.exit("Needs a built kernel: python -m sapa_hf.kernels build")
    torch.set_num_threads(1)
    sapa, rows = load_local(local_build()), []
    results = {
        "processor": processor(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": chosen.rounds,
        "load_average": round(os.getloadavg()[0], 1),
        "rows": rows,
    }
    for border in ("zero", "mask"):
        for backward in (False, True):
            for dtype in (torch.float32, torch.bfloat16):
                forms = candidates(sapa, sapa_upsample, border)
                torch.manual_seed(0)
                calls = with_tables(segformer_calls(1, dtype, grad=backward))
                rows.append({"border": border, **compare(forms, calls, backward, chosen.rounds)})
                print(json.dumps(rows[-1]), flush=True)
                chosen.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
