"""Tasks by name: what is learnt, scored and drawn. A new task is a new file and a line here."""

from .base import Task
from .segmentation import SegmentationTask

TASKS: dict[str, type[Task]] = {"segmentation": SegmentationTask}

__all__ = ["TASKS", "SegmentationTask", "Task"]
