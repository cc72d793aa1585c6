"""Files and folders that appear complete or not at all, even when the power fails."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPORARY = re.compile(r"(?P<name>.+)\.[0-9a-f]{16}\.(?P<kind>partial|old)")


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a new, empty file beside `path` to write to; it takes the place of `path` unless an error occurs.

    Args:
        path: The file; its folder is made. An earlier file stays until the new one is on the disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = temporary_path(path)
    partial.touch(exist_ok=False)
    try:
        yield partial
        _flush(partial)
        os.replace(partial, path)
        _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a new, empty folder beside `path` to fill; it takes the place of `path` unless an error occurs.

    Args:
        path: The folder; an earlier one stays until the new one is on the disk.
    """
    partial = temporary_path(Path(path))
    partial.mkdir(parents=True)
    try:
        yield partial
        replace_folder(partial, Path(path))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def temporary_path(path: Path, kind: str = "partial") -> Path:
    """Name a file or folder beside `path` that nobody can guess and put something else there."""
    name = path.name if kind == "old" else path.name[:50]  # the longest names leave no room for more
    return path.with_name(f"{name}.{secrets.token_hex(8)}.{kind}")


def replace_folder(new: Path, path: Path) -> None:
    """Bring a finished folder to the disk and rename it to its place, where an older one may be."""
    for entry in new.rglob("*"):
        _flush(entry)
    _flush(new)
    old = temporary_path(path, "old")
    with suppress(FileNotFoundError):
        path.rename(old)
    new.rename(path)
    _flush(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def tidy(folder: Path) -> None:
    """Clear up what a killed process left in a folder that nobody else writes into.

    A folder that was renamed to make room for a new one goes back where the new one is missing.
    """
    for entry in list(folder.iterdir()) if folder.is_dir() else []:
        if not (match := _TEMPORARY.fullmatch(entry.name)):
            continue
        place = entry.with_name(match["name"])
        if match["kind"] == "old" and not place.exists():
            entry.rename(place)
        elif entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
