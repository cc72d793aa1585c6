"""Evaluation of a saved model, and the results file that says what was measured."""

from .checkpoint import evaluate_checkpoint
from .results import read_results, write_results

__all__ = ["evaluate_checkpoint", "read_results", "write_results"]
