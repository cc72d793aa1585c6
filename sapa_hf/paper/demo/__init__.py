"""The demonstration: everything this project does, once, small, on data that it renders itself."""

from .steps import STEPS, Demo, run_demo

__all__ = ["STEPS", "Demo", "run_demo"]
