"""Tasks by name: what is learnt, scored and drawn. A new task is a new file and a line here."""

from .base import Task
from .depth import DepthTask
from .segmentation import SegmentationTask

TASKS: dict[str, type[Task]] = {task.name: task for task in (DepthTask, SegmentationTask)}

__all__ = ["TASKS", "DepthTask", "SegmentationTask", "Task"]
