"""Uploading a published folder to the Hub."""

from pathlib import Path

from huggingface_hub import HfApi

from ..connection import uploading
from .card import set_revision
from .manifest import unchanged_files, write_manifest


def push_folder(folder: str | Path, repo_id: str, private: bool = False) -> str:
    """Create the repository where it does not exist, upload the folder, and let its card name that commit.

    Only the files that publishing wrote are uploaded; whatever else lies in the folder stays at home. There
    are two commits: the model, then its card, whose example loads the first by its hash. The folder's own
    card gets the hash too.

    Args:
        folder: A published folder.
        repo_id: "owner/name" on the Hub; the token is the one `hf auth login` stored.
        private: Whether a new repository is private.

    Returns:
        The hash of the first commit, which is what to load.

    Raises:
        ConnectionError: The connection broke. A commit is taken whole or not at all; the same call goes on.
        ValueError: A file was changed since, or nothing was published into the folder.
    """
    folder, names, api = Path(folder), unchanged_files(folder), HfApi()
    with uploading(repo_id, "the repository is as it was"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id, folder_path=folder, commit_message="Add the model", allow_patterns=names
        ).oid
    set_revision(folder, commit)
    write_manifest(folder, names)
    with uploading(repo_id, f"the model is there as {commit}, its card does not name that yet"):
        api.upload_file(
            repo_id=repo_id,
            path_or_fileobj=folder / "README.md",
            path_in_repo="README.md",
            commit_message="Name the model's commit in the card",
        )
    return commit
