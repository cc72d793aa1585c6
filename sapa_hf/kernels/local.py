"""The kernel that was built on this machine: where builds go, and which one is of the present sources."""

import logging
import os
from pathlib import Path

from sapa_hf.modeling.kernel_folder import find_variant, read_metadata

from .sources import source_digest, source_folder

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where an installed package keeps its builds: $XDG_CACHE_HOME or ~/.cache, then sapa_hf/kernel."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sapa_hf" / "kernel"


def default_output() -> Path:
    """Build beside the sources in a checkout, in the user's cache for an installed package."""
    sources = source_folder()
    return cache_folder() if sources.name == "kernel_sources" else sources


def local_build() -> Path | None:
    """Find a kernel repository that was built here from the present sources.

    Returns:
        The repository's folder, or None. What counts is the variant that this torch would load. One of other
        sources is passed over with a warning: it may be an older version's.
    """
    try:
        digest = source_digest(source_folder())
    except FileNotFoundError:
        return None
    for folder in dict.fromkeys((default_output(), cache_folder())):
        try:
            variant = find_variant(folder)
            if read_metadata(variant)["id"].endswith(f"_{digest}"):
                return folder
        except FileNotFoundError:
            continue
        except ValueError as error:
            logger.warning("%s", error)
            continue
        logger.warning(
            "The kernel in %s was built from other sources; `python -m sapa_hf.kernels build` renews it.",
            variant,
        )
    return None
