"""Saying plainly that a connection to the Hub broke, whatever the client library made of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import HfHubHTTPError

try:
    import httpx2 as httpx  # what huggingface_hub speaks HTTP with, from 2.0 on
except ImportError:
    import httpx  # type: ignore[no-redef]


def broken_connection(error: BaseException | None) -> str | None:
    """Find what broke a connection in an error or in those that led to it; None where nothing did.

    An answer of the Hub, such as "not found", is no broken connection.
    """
    while error is not None:
        if isinstance(error, httpx.TransportError) and not isinstance(error, HfHubHTTPError):
            return str(error) or type(error).__name__
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def uploading(repo_id: str, lost: str) -> Iterator[None]:
    """Turn an upload's broken connection into one line.

    Args:
        repo_id: Where to.
        lost: What has become of the repository.

    Raises:
        ConnectionError: The connection broke.
    """
    try:
        yield
    except Exception as error:
        reason = broken_connection(error)
        if reason is None:
            raise
        raise ConnectionError(
            f"the connection broke while {repo_id} was uploaded ({reason}): {lost}. Run the same again."
        ) from error
