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
from measure import compare, processor


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
            torch.manual_seed(0)
            calls = segformer_calls(1, dtype, grad=backward)
            results["rows"].append(compare(builds, calls, backward, chosen.rounds))
            print(json.dumps(results["rows"][-1]), flush=True)
            chosen.output.write_text(json.dumps(everything, indent=2) + "\n")


if __name__ == "__main__":
    main()
