"""A polite end: SIGTERM and Ctrl-C let the step finish and a checkpoint be written."""

from __future__ import annotations

import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Notes a request to stop while active; a second one ends the process as usual."""

    def __init__(self):
        self.requested = False
        self._previous = {}

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
