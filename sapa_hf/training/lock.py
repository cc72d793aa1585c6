"""One training at a time in a folder."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_held: dict[tuple[int, Path], IO] = {}  # by process: a forked one inherits the files, but no locks


class RunLock:
    """A lock on a run's folder, which the system releases when its process ends, however it ends.

    It is a POSIX record lock: data workers do not inherit it, so one that outlives a killed run does not keep
    it. Within one process a folder can be locked again.

    Args:
        folder: of the run; it is made.
    """

    def __init__(self, folder: Path):
        self.file = folder / "run.lock"

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ValueError: another process has it; the message names that process, its machine and its start. Or
                the folder is a file.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ValueError(
                f"output_dir must be a folder, got {self.file.parent}: a file is there"
            ) from error
        key = os.getpid(), self.file.resolve()
        file = _held.get(key) or self.file.open("a+", encoding="utf-8")
        if fcntl is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    logger.warning("%s cannot be locked (%s): start one run at a time here", self.file, error)
                    return
                raise ValueError(
                    f"{self.file.parent} holds a run that is still going on, {self._owner()}: wait for its "
                    "end, stop it, or choose another output_dir"
                ) from None
        _held[key] = file
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n")
        file.flush()

    def release(self) -> None:
        """Give the lock back, if this process has it."""
        if file := _held.pop((os.getpid(), self.file.resolve()), None):
            file.close()

    def _owner(self) -> str:
        """Say which process has the lock."""
        try:
            owner = json.loads(self.file.read_text(encoding="utf-8"))
            return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "of a process that is just starting"
