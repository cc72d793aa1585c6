"""Running many cases, each in a process of its own with little time and memory."""

import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from .targets import TARGETS

SECONDS, GIGABYTES = 60, 4
TAKEN, REFUSED = "taken", "refused"


def fuzz(name: str, count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Try damaged files of one kind.

    Args:
        name: A key of TARGETS.
        count: How many cases; case k depends on the seed, the name and k only.
        seed: Of the damage.

    Returns:
        How many were tried, taken, refused and wrong; and what was wrong.
    """
    counts, wrong = Counter(), []
    with tempfile.TemporaryDirectory() as scratch:
        target = TARGETS[name](Path(scratch))
        for case in range(count):
            random = Random(f"{seed} {name} {case}")
            target.damage(random)
            verdict = _alone(target)
            counts["tried"] += 1
            counts[verdict if verdict in (TAKEN, REFUSED) else "wrong"] += 1
            if verdict not in (TAKEN, REFUSED):
                wrong.append(f"{name} seed {seed} case {case}: {verdict}")
    return counts, wrong


def _alone(target) -> str:
    """Run a case in a child: "taken", "refused", or what is wrong."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _limit_memory()
        os.write(write, _verdict(target).encode(errors="replace")[:2000])
        os._exit(0)
    os.close(write)
    deadline = time.monotonic() + SECONDS
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(read)
            return f"no end within {SECONDS} s"
        time.sleep(0.005)
    with os.fdopen(read, "rb") as stream:
        said = stream.read().decode(errors="replace")
    return said or f"the process ended with status {ended[1]}"


def _limit_memory() -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + GIGABYTES * 2**30,) * 2)


def _verdict(target) -> str:
    with open(os.devnull, "w") as silence:
        os.dup2(silence.fileno(), 1)
        os.dup2(silence.fileno(), 2)
        with contextlib.redirect_stderr(silence), contextlib.redirect_stdout(silence):
            try:
                target.run()
            except (ValueError, OSError) as error:
                named = target.file.name in str(error) or str(target.folder) in str(error)
                return REFUSED if named else f"a refusal that names no file: {type(error).__name__}: {error}"
            except BaseException as error:
                return f"{type(error).__name__}: {str(error)[:300]}"
    return TAKEN


def main(counts: dict[str, int], seed: int) -> int:
    """Fuzz these targets so many times each, print what came of it, and return how many cases went wrong."""
    bad = 0
    for name, count in counts.items():
        found, wrong = fuzz(name, count, seed)
        said = ", ".join(f"{found[word]} {word}" for word in ("tried", REFUSED, TAKEN, "wrong"))
        print(f"{name}: {said}", flush=True)
        for line in wrong:
            print(f"  {line}", file=sys.stderr)
        bad += len(wrong)
    return bad
