"""Pictures: palette, overlays with a legend, comparison strips."""

from .legend import legend_for, with_legend
from .overlay import colourize, overlay
from .palette import palette
from .strip import comparison_strip

__all__ = ["colourize", "comparison_strip", "legend_for", "overlay", "palette", "with_legend"]
