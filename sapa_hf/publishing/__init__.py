"""Publishing: a folder the Hub can host, its card, a check in a bare interpreter, and the upload."""

from .card import write_card
from .check import check_folder
from .family import Family, families, family_of
from .folder import assemble_folder
from .push import push_folder
from .sources import find_model, find_results, recorded_base, recorded_results

__all__ = [
    "Family",
    "assemble_folder",
    "check_folder",
    "families",
    "family_of",
    "find_model",
    "find_results",
    "push_folder",
    "recorded_base",
    "recorded_results",
    "write_card",
]
