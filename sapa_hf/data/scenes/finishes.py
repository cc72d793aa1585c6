"""Finishes: the bounds from which the texture of each kind of surface is drawn."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .textures import Texture

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Finish:
    """What one kind of surface may look like.

    Args:
        patterns: Names of patterns; one given twice is twice as likely.
        hue: Bounds on the colour's hue, in turns.
        saturation: Bounds, in 0..1.
        value: Bounds on the brightness, in 0..1.
        period: Bounds on the pattern's period, in metres.
        accent: Brightness of the second colour as a share of the first.
        white: Share of white in the second colour.
        glow: Brightness without any light on it.
    """

    patterns: tuple[str, ...]
    hue: Bounds = (0, 1)
    saturation: Bounds = (0, 1)
    value: Bounds = (0, 1)
    period: Bounds = (0.2, 0.5)
    accent: float = 0.5
    white: float = 0.0
    glow: float = 0.0

    def draw(self, rng: np.random.Generator) -> Texture:
        """Draw a texture."""
        colour = colorsys.hsv_to_rgb(
            *(rng.uniform(*bounds) for bounds in (self.hue, self.saturation, self.value))
        )
        accent = tuple(self.accent * (1 - self.white) * channel + self.white for channel in colour)
        pattern = self.patterns[rng.integers(len(self.patterns))]
        return Texture(
            pattern, colour, accent, rng.uniform(*self.period), int(rng.integers(2**31)), self.glow
        )


WOOD, PALE = (0.02, 0.12), (0.75, 0.95)

WALLS = Finish(
    ("plaster", "plaster", "stripes", "bricks"), (0, 1), (0.05, 0.3), (0.55, 0.9), (0.1, 0.3), 0.85
)
FLOORS = Finish(("planks", "tiles", "checker", "carpet"), WOOD, (0.25, 0.65), (0.3, 0.65), (0.14, 0.5), 0.55)
CEILINGS = Finish(("plaster", "tiles"), (0, 1), (0, 0.06), PALE, (0.5, 0.8), 0.85)
DOORS = Finish(("leaf",), WOOD, (0.3, 0.7), (0.25, 0.6), accent=0.4)
WINDOWS = Finish(("panes",), (0.52, 0.62), (0.35, 0.65), (0.85, 1), white=1.0, glow=0.6)
PICTURES = Finish(("painting",), (0, 1), (0.4, 0.9), (0.5, 0.95), accent=0.25)
PARCELS = Finish(
    ("parcel", "parcel", "plaster", "stripes", "checker"), (0, 1), (0.35, 0.85), (0.35, 0.9), (0.15, 0.3)
)
TABLES = Finish(("planks", "plaster"), WOOD, (0.3, 0.7), (0.35, 0.85), (0.08, 0.15), 0.7)
DARK_POLES = Finish(("plaster", "plaster", "stripes"), (0, 1), (0, 0.6), (0.05, 0.25), (0.3, 0.5), 0.3)
PALE_POLES = Finish(("plaster", "plaster", "stripes"), (0, 1), (0, 0.6), (0.8, 1), (0.3, 0.5), 0.3)
BALLS = Finish(("plaster", "stripes", "checker"), (0, 1), (0.6, 1), (0.5, 1), (0.15, 0.3), 0.35)
