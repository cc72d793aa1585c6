"""The paper's complexity tables as code: printed figures, our counts, and the reason where they differ."""

from .comparison import Comparison, Mark, agrees, compare
from .published import TABLES, Figure, Table
from .render import render
from .sites import HOSTS

__all__ = ["HOSTS", "TABLES", "Comparison", "Figure", "Mark", "Table", "agrees", "compare", "render"]
