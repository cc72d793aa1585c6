"""Evaluation of a saved model, and the results file that says what was measured."""

from .results import read_results, write_results
from .saved_model import evaluate_model

__all__ = ["evaluate_model", "read_results", "write_results"]
