"""The list of the files that publishing wrote, by name and digest: only these are uploaded or replaced."""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..atomic_write import atomic_write

MANIFEST = ".published.json"  # stays at home
NAME, DIGEST = re.compile(r"\w[\w.-]*", re.ASCII), re.compile("[0-9a-f]{64}")


def write_manifest(folder: str | Path, names: Iterable[str]) -> None:
    """List these files of a folder with their digests."""
    digests = {name: _digest(Path(folder) / name) for name in sorted(names)}
    with atomic_write(Path(folder) / MANIFEST) as partial:
        partial.write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: str | Path) -> dict[str, str] | None:
    """Read which files an earlier publishing wrote: name -> SHA-256; None where there is no list.

    Raises:
        ValueError: The list is damaged.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        return None
    try:
        files = json.loads(path.read_text(encoding="utf-8"))
        if not all(NAME.fullmatch(name) and DIGEST.fullmatch(digest) for name, digest in files.items()):
            raise ValueError("a name or a digest is not one")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}): publish the model into a new folder.") from error
    return files


def unchanged_files(folder: str | Path) -> list[str]:
    """Name the files to upload, after making sure that each is still what publishing wrote.

    Raises:
        ValueError: Nothing was published into the folder, or a file is missing, changed, or a link.
    """
    files = read_manifest(folder)
    if not files:
        raise ValueError(f"{folder} has no {MANIFEST}, the list of published files: publish a model into it.")
    changed = [name for name, digest in files.items() if not is_unchanged(Path(folder) / name, digest)]
    if changed:
        raise ValueError(
            f"{', '.join(changed)} in {folder}: missing, or changed since publishing wrote it. Publish the "
            "model again."
        )
    return list(files)


def replace_files(partial: str | Path, folder: str | Path) -> None:
    """Move all files from one folder into another, and remove what an earlier publishing left there.

    Files that publishing did not write, or that were changed since, stay, unless a new one has their name.

    Raises:
        ValueError: A folder has the name of a new file, or the earlier list is damaged.
    """
    partial, folder = Path(partial), Path(folder)
    names = sorted(path.name for path in partial.iterdir())
    earlier = read_manifest(folder) or {}
    for name in names:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            raise ValueError(f"{folder / name} must be a file, but it is a folder: move it away.")
    (folder / MANIFEST).unlink(missing_ok=True)  # a folder that is half replaced cannot be uploaded
    for name in earlier.keys() - set(names):
        if is_unchanged(folder / name, earlier[name]):
            (folder / name).unlink()
    for name in names:
        os.replace(partial / name, folder / name)
    write_manifest(folder, names)


def is_unchanged(path: Path, digest: str) -> bool:
    """Tell whether a path is a plain file with this content."""
    return path.is_file() and not path.is_symlink() and _digest(path) == digest


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
