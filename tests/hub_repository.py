"""A repository as the Hub keeps it: commits of whole trees, and branches that name them."""

import hashlib
import json
import re
from collections.abc import Mapping

LARGE = (".safetensors", ".so", ".parquet", ".png")  # what the Hub keeps in LFS, by a file's name
COMMIT = re.compile("[0-9a-f]{40}")


class Repository:
    """Commits, each a mapping of paths to contents, and branches. As on the Hub, the first is not empty."""

    def __init__(self, private: bool = False):
        self.private = private
        self.commits: dict[str, dict[str, bytes]] = {}
        self.history: list[str] = []
        self.branches: dict[str, str] = {}
        self.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")

    def commit(self, branch: str, changes: Mapping[str, bytes | None], message: str) -> str:
        """Put changes on a branch, None for a file that goes; give the commit's hash."""
        before = self.branches.get(branch, "")
        files = dict(self.commits.get(before, {})) | dict(changes)
        files = {path: content for path, content in files.items() if content is not None}
        names = {path: blob_id(content) for path, content in sorted(files.items())}
        commit = hashlib.sha1(json.dumps([before, message, len(self.history), names]).encode()).hexdigest()
        self.commits[commit] = files
        self.history.append(commit)
        self.branches[branch] = commit
        return commit

    def resolve(self, revision: str) -> str | None:
        """Give the commit that a branch or a hash names."""
        return self.branches.get(revision, revision if revision in self.commits else None)

    def entries(self, commit: str, folder: str = "", recursive: bool = False) -> list[dict]:
        """List a folder as the Hub's tree does."""
        prefix, found, folders = f"{folder}/" if folder else "", [], set()
        for path, content in sorted(self.commits[commit].items()):
            if not path.startswith(prefix):
                continue
            parts = path.removeprefix(prefix).split("/")
            folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
            if recursive or len(parts) == 1:
                found.append(file_entry(path, content))
        wanted = (name for name in sorted(folders) if recursive or "/" not in name)
        return [*found, *({"type": "directory", "path": prefix + name, "oid": "1" * 40} for name in wanted)]

    def paths(self, commit: str, names: list[str]) -> list[dict]:
        """List the files and folders with these paths."""
        return [entry for entry in self.entries(commit, recursive=True) if entry["path"] in names]


def is_large(path: str) -> bool:
    """Tell whether the Hub keeps a file in LFS."""
    return path.endswith(LARGE)


def blob_id(content: bytes) -> str:
    """Give git's hash of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def file_entry(path: str, content: bytes) -> dict:
    """Describe a file as the Hub's tree does."""
    entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
    if is_large(path):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
    return entry
