"""The demonstration's trainings: the commands that anyone would give, side by side, one thread each."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from sapa_hf.training.run_folder import RunFolder

PAUSE = 0.5  # seconds between two looks at the runs


@dataclass
class Job:
    """A training in a process of its own.

    Attributes:
        arguments: Of `sapa-train`.
        folder: Its output_dir.
        steps: How many it takes.
    """

    arguments: Sequence[str]
    folder: Path
    steps: int

    @property
    def output(self) -> Path:
        """The file of what the process prints."""
        return self.folder.with_suffix(".txt")

    def start(self) -> subprocess.Popen:
        """Start it; the order of sums, and so the result, does not depend on how many cores there are."""
        command = [sys.executable, "-m", "sapa_hf.scripts.train", *self.arguments]
        with self.output.open("w", encoding="utf-8") as file:
            return subprocess.Popen(
                command,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def step(self, since: float) -> int:
        """Give the last step of its log, 0 where that was written before `since` by an earlier run."""
        log = RunFolder(self.folder).log
        if not log.is_file() or log.stat().st_mtime < since:
            return 0
        *_, last = log.read_text(encoding="utf-8").splitlines() or ["{}"]
        try:
            return json.loads(last).get("step", 0)
        except ValueError:  # half a line
            return 0


def train_side_by_side(jobs: Sequence[Job]) -> None:
    """Run trainings at the same time, with one bar for all of them.

    Raises:
        RuntimeError: One failed; the message names the file with what it printed.
    """
    began = time.time()
    running = [job.start() for job in jobs]
    failed: list[Job] = []
    try:
        with tqdm(total=sum(job.steps for job in jobs), unit="step") as bar:
            while not failed and any(process.poll() is None for process in running):
                time.sleep(PAUSE)
                bar.update(max(0, sum(job.step(began) for job in jobs) - bar.n))
                failed = [job for job, process in zip(jobs, running, strict=True) if process.poll()]
    finally:  # where one failed, or the user stopped, the others end after their step
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    if failed:
        raise RuntimeError(f"a training failed; what it printed is in {failed[0].output}")
