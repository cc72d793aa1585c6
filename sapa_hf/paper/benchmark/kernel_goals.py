"""The compiled kernel against its goals: rates of this processor, and forms frozen as baselines."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "kernel" / "benchmarks" / "measure.py"


def benchmark_goals(rounds: int = 10) -> list[dict]:
    """Measure the CPU kernel beside its baselines and limits, by kernel/benchmarks/measure.py.

    That script also writes kernel/benchmarks/results.json and the table in RESULTS.md, which explains the
    columns.

    Args:
        rounds: Interleaved rounds a row.

    Returns:
        One row per pass, dtype, batch and number of threads: ratios to the baselines, the share of the
        processor's limit, and which goals are met.

    Raises:
        FileNotFoundError: The kernel's benchmarks are not here: an installed package has none.
        RuntimeError: The script failed; without a built kernel or a compiler it says so.
    """
    if not SCRIPT.exists():
        raise FileNotFoundError(
            f"{SCRIPT} is not there: the goals are measured in a checkout of the project."
        )
    done = subprocess.run([sys.executable, str(SCRIPT), "--rounds", str(rounds)])
    if done.returncode:
        raise RuntimeError(f"{SCRIPT} ended with status {done.returncode}; see its messages above.")
    results = json.loads(SCRIPT.with_name("results.json").read_text())
    return [_flat(row) for row in results["rows"]]


def _flat(row: dict) -> dict:
    faster = row["times_faster_than"]
    missed = [name for name, met in row["goals_met"].items() if not met]
    verdict = ("missed: " + ", ".join(missed) if missed else "met") if row["goals_met"] else "none set"
    return {
        "pass": row["pass"],
        "dtype": row["dtype"],
        "batch": str(row["batch"]),
        "threads": str(row["threads"]),
        "times_tiled": faster["tiled"],
        "times_tiled_at_limit": row["milliseconds"]["tiled"] / row["limit_milliseconds"],
        "times_unfold": faster.get("unfold"),
        "share_of_limit": row["share_of_limit"],
        "goals": verdict.replace("share_of_limit", "share of limit"),
    }
