"""Studies: one recipe, a matrix of variants and seeds, one table of what came out."""

from .matrix import PlannedRun, plan_runs
from .per_class import class_table
from .plot import draw_plot
from .report import write_report
from .runner import finish_runs
from .summary import difference_table, read_runs, summarize, summary_table

__all__ = [
    "PlannedRun",
    "class_table",
    "difference_table",
    "draw_plot",
    "finish_runs",
    "plan_runs",
    "read_runs",
    "summarize",
    "summary_table",
    "write_report",
]
