"""What upsamplers do, in one picture: features before and after, and the kernels in between (Figure 2)."""

from .comparison import Comparison, View, compare_upsampling
from .figure import draw_comparison, draw_upsampling
from .kernel_map import KernelMap, kernel_at
from .kernel_row import draw_kernels
from .points import default_points
from .step import UpsamplingStep, upsampling_step, upsampling_steps
from .subject import Subject, make_subjects

__all__ = [
    "Comparison",
    "KernelMap",
    "Subject",
    "UpsamplingStep",
    "View",
    "compare_upsampling",
    "default_points",
    "draw_comparison",
    "draw_kernels",
    "draw_upsampling",
    "kernel_at",
    "make_subjects",
    "upsampling_step",
    "upsampling_steps",
]
