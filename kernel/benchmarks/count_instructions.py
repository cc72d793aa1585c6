"""Count the instructions, reads, writes and cache misses of a forward pass; write results_instructions.json.

python kernel/benchmarks/count_instructions.py before=OTHER_CHECKOUT/kernel after=kernel

Counts do not depend on what else the machine does. They are those of one call on the AVX2 path: a run with
two calls less a run with one, in a first cache of 32 KB, 8 ways and lines of 64 bytes.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = "32768,8,64"
COUNTS = {
    "instructions": r"I +refs: +([\d,]+)",
    "reads": r"D +refs: .*\( *([\d,]+) rd",
    "writes": r"D +refs: .*\+ *([\d,]+) wr",
    "misses": r"D1 +misses: +([\d,]+)",
}


def compiled(kernel: Path, folder: Path, compiler: str) -> Path:
    """Compile count.cpp with a kernel's sources."""
    sources, program = kernel / "sapa_cpu", folder / "count"
    heads = ["-DHEADS"] if "heads" in (sources / "problem.h").read_text() else []
    options = ["-O3", "-std=c++17", "-mavx2", "-mfma", "-mf16c", f"-I{sources}", *heads]
    driver = Path(__file__).with_name("count.cpp")
    subprocess.run([compiler, *options, str(driver), "-o", str(program)], check=True)
    return program


def counted(program: Path, calls: int) -> dict[str, int]:
    """Run a number of calls under cachegrind: counts by name."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", f"--D1={CACHE}"]
    command += ["--cachegrind-out-file=/dev/null", str(program), str(calls)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = {name: re.search(pattern, said)[1] for name, pattern in COUNTS.items()}
    return {name: int(count.replace(",", "")) for name, count in found.items()}


def main():
    """Count each kernel's sources."""
    from sapa_hf.kernels.compilers import find_compiler

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernels", nargs="+", help="name=FOLDER, a folder with sapa_cpu/")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("results_instructions.json"))
    chosen = parser.parse_args()
    compiler, results = find_compiler(), {}
    if compiler is None:
        sys.exit("Needs a C++ compiler.")
    with tempfile.TemporaryDirectory() as folder:
        for name, kernel in (entry.split("=", 1) for entry in chosen.kernels):
            program = compiled(Path(kernel), Path(folder), compiler)
            one, two = counted(program, 1), counted(program, 2)
            results[name] = {key: two[key] - one[key] for key in one}
            print(name, results[name], flush=True)
    chosen.output.write_text(json.dumps({"cache": CACHE, "one_call": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
