"""What all command lines share: `--version`, one line for a user's mistake, output on any terminal."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

from sapa_hf import __version__

MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130  # exit statuses
TRACEBACK = "SAPA_TRACEBACK"  # environment variable: 1 shows where an error was raised


def argument_parser(description: str, **options) -> argparse.ArgumentParser:
    """Make a parser that keeps the description's lines as they are and knows `--version`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, **options
    )
    parser.add_argument("--version", action="version", version=version_line())
    return parser


def version_line() -> str:
    """Say which version this is."""
    return f"sapa-hf {__version__}"


def command_line(
    failures: tuple[type[Exception], ...] = (), interrupted: str = "interrupted"
) -> Callable[[Callable], Callable]:
    """Make a function the entry point of a command line.

    A ValueError, TypeError or OSError is a user's mistake: one line on stderr, exit status 2. Characters that
    the terminal cannot show are written as escapes.

    Args:
        failures: Errors that say all there is to say without a traceback, and end with status 1.
        interrupted: What to say after Ctrl-C; the status is then 130.
    """

    def decorate(main: Callable[[Sequence[str] | None], int | None]) -> Callable:
        file = Path(main.__code__.co_filename)
        name = file.parent.name if file.stem == "__main__" else file.stem

        @wraps(main)
        def guarded(arguments: Sequence[str] | None = None) -> int | None:
            for stream in (sys.stdout, sys.stderr):
                if hasattr(stream, "reconfigure"):
                    stream.reconfigure(errors="backslashreplace")
            try:
                return main(arguments)
            except KeyboardInterrupt:
                raise _exit(f"{name}: {interrupted}", INTERRUPTED) from None
            except (ValueError, TypeError, OSError, *failures) as error:
                if os.environ.get(TRACEBACK):
                    raise
                status = FAILURE if isinstance(error, failures) else MISTAKE
                raise _exit(f"{name}: {error}", status) from error

        return guarded

    return decorate


def _exit(message: str, status: int) -> SystemExit:
    """Print one line, and make the exception that ends the process with a status."""
    line = " ".join(message.split())
    print(line, file=sys.stderr)
    end = SystemExit(line)
    end.code = status
    return end
