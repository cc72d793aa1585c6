"""Kill a training at random moments, let it go on each time, and compare its end with a run left alone.

    python tests/kill_and_resume.py --kills 30 --folder kills

Prints a line for each kill, and ends with status 1 where anything differs.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_file
from tiny_training import log_lines, train

STEPS = 24
SETTINGS = [f"max_steps={STEPS}", "checkpoint_steps=2", "eval_steps=6", "on_bad=skip"]


def start(folder, *settings):
    """Start the training, or go on with it, in a process of its own; give its id."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            with (folder.parent / f"{folder.name}.txt").open("a") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                train(folder, *SETTINGS, *settings, "--resume")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return process


def finish(folder, *settings):
    """Train to the end, and say how many seconds it took."""
    began = time.perf_counter()
    _, status = os.waitpid(start(folder, *settings), 0)
    if status:
        raise RuntimeError(f"the training ended with status {status}: see {folder}.txt")
    return time.perf_counter() - began


def kill_often(folder, kills, seconds, rng, *settings):
    """Kill the training in a folder at moments within `seconds` of its start, at most so often.

    Returns:
        The number of kills; fewer than asked for where the training ended before one.
    """
    for count in range(kills):
        process = start(folder, *settings)
        time.sleep(rng.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return count
        if os.waitstatus_to_exitcode(status) > 0:
            raise RuntimeError(f"the training ended by itself: see {folder}.txt")
        log = folder / "log.jsonl"
        lines = log.read_bytes().count(b"\n") if log.exists() else 0
        print(f"{folder.name}, kill {count + 1}: {lines} lines in the log", flush=True)
    return kills


def differences(one, other):
    """Name what differs between two finished runs: weights, optimizer, log and results."""
    found = []
    for name in ("last", "best", f"checkpoints/step-{STEPS:08d}"):
        mine, theirs = (load_file(folder / name / "model.safetensors") for folder in (one, other))
        if mine.keys() != theirs.keys() or not all(torch.equal(mine[key], theirs[key]) for key in mine):
            found.append(f"weights in {name}")
    states = [_optimizer(folder) for folder in (one, other)]
    if not all(torch.equal(a, b) for a, b in zip(*states, strict=True)):
        found.append("state of the optimizer")
    if _log(one) != _log(other):
        found.append("log.jsonl")
    results = [json.loads((folder / "results.json").read_text()) for folder in (one, other)]
    if results[0]["metrics"] | {"images_per_second": 0} != results[1]["metrics"] | {"images_per_second": 0}:
        found.append("results.json")
    return found


def _optimizer(folder):
    file = folder / "checkpoints" / f"step-{STEPS:08d}" / "optimizer.bin"
    state = torch.load(file, weights_only=True)["state"]
    return [value for number in sorted(state) for _, value in sorted(state[number].items())]


def _log(folder):
    lines = log_lines(folder)
    for line in lines:
        line.pop("images_per_second", None)
        line.get("evaluation", {}).pop("images_per_second", None)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder unless given")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    rng, left, number, wrong = random.Random(options.seed), options.kills, 0, []
    finish(folder / "warm", "max_steps=1")  # what only the first process does
    seconds = finish(folder / "alone")
    while left:
        number += 1
        run, workers = folder / f"run-{number}", f"num_workers={number % 2}"
        left -= kill_often(run, left, seconds, rng, workers)
        finish(run, workers)
        wrong += [f"{run}: {found}" for found in differences(folder / "alone", run)]
    print(f"{options.kills} kills in {number} runs; {len(wrong)} differences from the run left alone", *wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
