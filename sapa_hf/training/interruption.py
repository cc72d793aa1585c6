"""A polite end: SIGTERM and Ctrl-C let the step finish and a checkpoint be written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection
from multiprocessing.process import BaseProcess
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 10.0  # seconds that data workers have to end by themselves


class Interruption:
    """Notes a request to stop while active; a second one ends the process as usual."""

    def __init__(self):
        self.requested = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        self._restore()

    def _note(self, *_) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


def ignore_in_worker(_: int) -> None:
    """Keep a data worker alive on Ctrl-C, so that the main process can still finish its step."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_workers(workers: Collection[BaseProcess], shut_down: Callable[[], None]) -> None:
    """Let data workers end, and kill those that hang, such as in a read from a folder that does not answer.

    They ignore SIGTERM, so nothing else would end them, and the interpreter waits for them at its exit.

    Args:
        workers: The processes.
        shut_down: torch's own way to end them, which waits for each.
    """
    if not workers:
        return

    def kill() -> None:
        for worker in workers:
            worker.kill()

    in_main = hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread()
    # torch's handler would raise an error when a worker is killed.
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if in_main else None
    killer = threading.Timer(PATIENCE, kill)
    killer.daemon = True
    killer.start()
    try:
        shut_down()
    finally:
        killer.cancel()
        for worker in workers:
            worker.kill()
            worker.join(PATIENCE)
        if in_main:
            signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
