"""Time builds of the kernel against each other in one process; add them to results_builds.json.

python kernel/benchmarks/compare_builds.py before=OTHER_CHECKOUT/kernel after=kernel
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
from baseline import segformer_calls
from measure import interleaved, processor, training


def measure_case(builds, dtype, backward, rounds):
    """One row: best milliseconds of each build over SegFormer-B1's six calls, one thread, and ratios."""
    torch.manual_seed(0)
    forms, calls = dict(builds), segformer_calls(1, dtype, grad=backward)
    if backward:
        forms = {name: training(form) for name, form in forms.items()}
        calls = [(*c, torch.randn(*c[0].shape[:3], c[2].shape[3]).to(dtype)) for c in calls]
    best, _, _ = interleaved(forms, calls, rounds, {}, 1)
    first = next(iter(best.values()))
    return {
        "pass": "forward+backward" if backward else "forward",
        "dtype": str(dtype).removeprefix("torch."),
        "milliseconds": {name: round(1e3 * seconds, 3) for name, seconds in best.items()},
        "ratio_to_the_first": {name: round(seconds / first, 3) for name, seconds in best.items()},
    }


def main():
    """Measure both passes and two dtypes."""
    from sapa_hf.modeling.kernel_folder import load_local

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="+", help="name=FOLDER, a kernel repository with build/")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results_builds.json"))
    parser.add_argument("--rounds", type=int, default=40)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    folders = dict(entry.split("=", 1) for entry in chosen.builds)
    builds = {name: load_local(Path(folder)).sapa_upsample for name, folder in folders.items()}
    everything = json.loads(chosen.output.read_text()) if chosen.output.exists() else {}
    results = everything[", ".join(folders)] = {
        "processor": processor(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": chosen.rounds,
        "load_average": round(os.getloadavg()[0], 1),
        "rows": [],
    }
    for backward in (False, True):
        for dtype in (torch.float32, torch.bfloat16):
            results["rows"].append(measure_case(builds, dtype, backward, chosen.rounds))
            print(json.dumps(results["rows"][-1]), flush=True)
            chosen.output.write_text(json.dumps(everything, indent=2) + "\n")


if __name__ == "__main__":
    main()
