"""Publishing: a folder the Hub can host, its card, a check in a bare interpreter, and the upload."""

from .card import write_card
from .check import check_folder
from .family import FAMILIES, Family
from .folder import assemble_folder
from .push import push_folder
from .sources import find_model, find_results, recorded_base
from .strict import load_strict

__all__ = [
    "FAMILIES",
    "Family",
    "assemble_folder",
    "check_folder",
    "find_model",
    "find_results",
    "load_strict",
    "push_folder",
    "recorded_base",
    "write_card",
]
