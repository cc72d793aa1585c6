"""Uploading an assembled kernel repository to the Hub, as the Hub's own builder does."""

from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from sapa_hf.connection import uploading
from sapa_hf.modeling.kernel_folder import METADATA, read_checked, read_metadata

from .abi import machine_needs
from .repository import BENCHMARK, README

KIND = "kernel"  # the Hub's repository type


def push_repository(folder: Path, repo_id: str, private: bool = False) -> str:
    """Upload an assembled repository: the card to main, builds and benchmark to the version's branch.

    The branch gets one commit, which leaves it with exactly these files.

    Args:
        folder: As `assemble_repository` wrote it.
        repo_id: "owner/name"; the token is the one `hf auth login` stored.
        private: Whether a new repository is private.

    Returns:
        The hash of the version branch's commit.

    Raises:
        ConnectionError: The connection broke; the same call goes on.
        ValueError: A library is for one machine, was assembled from changed sources, or is not the one that
            was assembled; nothing is sent.
    """
    for variant in _variants(folder):
        refuse_upload(variant)
    sent = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    branch, api = version_branch(folder), HfApi()
    with uploading(repo_id, f"the branch {branch} is as it was"):
        api.create_repo(repo_id, repo_type=KIND, private=private, exist_ok=True)
        if branch not in {ref.name for ref in api.list_repo_refs(repo_id, repo_type=KIND).branches}:
            api.create_branch(repo_id, repo_type=KIND, branch=branch)
        present = api.list_repo_files(repo_id, repo_type=KIND, revision=branch)
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(name, path) for name, path in sent.items()
        ]
        gone = set(present) - set(sent) - {".gitattributes"}
        operations += [CommitOperationDelete(name) for name in sorted(gone)]
        commit = api.create_commit(
            repo_id, operations, repo_type=KIND, revision=branch, commit_message="Add the builds"
        ).oid
    with uploading(repo_id, "the builds are there, the card is not"):
        api.upload_file(
            repo_id=repo_id,
            repo_type=KIND,
            path_or_fileobj=folder / README,
            path_in_repo=README,
            commit_message="Add the card",
        )
    return commit


def refuse_upload(variant: Path) -> None:
    """Refuse a variant that is for one machine, or whose sources nobody else has.

    Raises:
        ValueError: It is one.
    """
    metadata = read_metadata(variant)
    needs = machine_needs(variant / f"{metadata['id']}.abi3.so")
    if needs:
        raise ValueError(
            f"{variant.name} is for this machine: it needs {', '.join(needs)}, which not every machine of "
            "the Hub's users has. Build it with the Hub's kernel-builder, or in a manylinux_2_28 container."
        )
    commit = metadata.get("sapa-hf", {}).get("commit") or ""
    if commit.endswith("-dirty"):
        raise ValueError(
            f"{variant.name} was assembled from sources that differ from commit {commit}: commit them, then "
            "build and assemble again"
        )


def version_branch(folder: Path) -> str:
    """Name the branch that holds a repository's builds, such as "v1"; ValueError where variants disagree."""
    versions = {read_metadata(variant)["version"] for variant in _variants(folder)}
    if len(versions) != 1:
        raise ValueError(f"the variants in {folder} must be of one version, got {sorted(versions)}")
    return f"v{versions.pop()}"


def _files(folder: Path) -> list[Path]:
    """List what goes to the version's branch; each file of a variant is the one that its digest names."""
    listed = [folder / "benchmarks" / name for name in BENCHMARK if (folder / "benchmarks" / name).is_file()]
    for variant in _variants(folder):
        listed += [variant / name for name in (METADATA, *read_checked(variant)[1])]
    return listed


def _variants(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (folder / "build").glob(f"*/{METADATA}"))
