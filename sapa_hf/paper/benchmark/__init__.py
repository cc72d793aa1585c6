"""Side-by-side timings of the operator's forms and of whole models; quote the ratios, machines are noisy."""

from .kernel_goals import benchmark_goals
from .memory import benchmark_memory
from .operator_forms import benchmark_operator
from .report import write_report
from .whole_model import benchmark_model

__all__ = ["benchmark_goals", "benchmark_memory", "benchmark_model", "benchmark_operator", "write_report"]
