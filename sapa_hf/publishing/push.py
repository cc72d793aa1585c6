"""Uploading a published folder to the Hub."""

from pathlib import Path

from huggingface_hub import HfApi

from .card import set_revision

# Whatever else lies in the folder, or in folders below it, stays at home.
PUBLISHED = ["*.safetensors", "*.json", "*.py", "README.md", "LICENSE"]


def push_folder(folder: str | Path, repo_id: str, private: bool = False) -> str:
    """Create the repository where it does not exist, upload the folder, and let its card name that commit.

    Two commits: the model, then its card, whose example loads the first by its hash. The folder's own card
    gets the hash too.

    Args:
        folder: A published folder.
        repo_id: "owner/name" on the Hub; the token is the one `hf auth login` stored.
        private: Whether a new repository is private.

    Returns:
        The hash of the first commit, which is what to load.
    """
    folder, api = Path(folder), HfApi()
    api.create_repo(repo_id, private=private, exist_ok=True)
    names = [path.name for path in folder.iterdir() if path.is_file() and any(map(path.match, PUBLISHED))]
    commit = api.upload_folder(
        repo_id=repo_id, folder_path=folder, commit_message="Add the model", allow_patterns=names
    ).oid
    set_revision(folder, commit)
    api.upload_file(
        repo_id=repo_id,
        path_or_fileobj=folder / "README.md",
        path_in_repo="README.md",
        commit_message="Name the model's commit in the card",
    )
    return commit
