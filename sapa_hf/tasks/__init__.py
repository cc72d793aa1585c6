"""Tasks: everything that differs between them. A new task is a module here and a line in this file."""

from .architecture import Architecture, Figure
from .base import Task
from .depth import DepthTask
from .detection import DetectionTask
from .images import ImageTask
from .matting import MattingTask
from .registry import (
    TASKS,
    auto_class_of,
    check_options,
    known_architectures,
    register_task,
    task_named,
    task_of,
    task_options,
)
from .segmentation import SegmentationTask

for _task in (DepthTask, DetectionTask, MattingTask, SegmentationTask):
    register_task(_task)

__all__ = [
    "TASKS",
    "Architecture",
    "DepthTask",
    "DetectionTask",
    "Figure",
    "ImageTask",
    "MattingTask",
    "SegmentationTask",
    "Task",
    "auto_class_of",
    "check_options",
    "known_architectures",
    "register_task",
    "task_named",
    "task_of",
    "task_options",
]
