"""Pictures: palette, overlays with a legend, boxes, depth with a scale, comparison strips, scores as bars."""

from .boxes import draw_boxes
from .checkerboard import over_checkerboard
from .class_bars import class_bars
from .depth_map import colourize_depth, depth_range, with_depth_scale
from .legend import legend_for, with_legend
from .overlay import colourize, overlay
from .palette import palette
from .strip import comparison_strip

__all__ = [
    "class_bars",
    "colourize",
    "colourize_depth",
    "comparison_strip",
    "depth_range",
    "draw_boxes",
    "legend_for",
    "over_checkerboard",
    "overlay",
    "palette",
    "with_depth_scale",
    "with_legend",
]
