"""Textures of the rooms: patterns that mix two colours over a surface's own coordinates in metres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Texture:
    """A pattern and its two colours.

    Args:
        pattern: A key of PATTERNS.
        colour: Main colour, RGB in 0..1.
        accent: Second colour, RGB in 0..1.
        period: Length after which the pattern repeats, in metres.
        seed: Of the pattern's noise.
        glow: Share of its brightness that a surface has without any light on it.
    """

    pattern: str
    colour: tuple[float, float, float]
    accent: tuple[float, float, float]
    period: float = 0.5
    seed: int = 0
    glow: float = 0.0

    def albedo(self, u: np.ndarray, v: np.ndarray, half_u: np.ndarray, half_v: np.ndarray) -> np.ndarray:
        """Colours (3, N) at (u, v), (N,) each, from the centre of a face 2*half_u by 2*half_v metres."""
        colour, accent = np.array([self.colour, self.accent], np.float32)[:, :, None]
        return colour + (accent - colour) * PATTERNS[self.pattern](u, v, half_u, half_v, self)


def lattice(i: np.ndarray, j: np.ndarray, seed: int) -> np.ndarray:
    """A fixed random number in 0..1 for every cell (i, j) of the plane."""
    bits = i.astype(np.int64).astype(np.uint32) * np.uint32(374761393)
    bits = bits + j.astype(np.int64).astype(np.uint32) * np.uint32(668265263)
    bits = (bits + np.uint32(seed * 2654435761 % 2**32)) * np.uint32(2246822519)
    bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(1274126177)
    return ((bits ^ (bits >> np.uint32(16))) >> np.uint32(8)).astype(np.float32) / np.float32(2**24)


def noise(u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    """Smooth noise in 0..1 with one random value a unit cell."""
    i, j = np.floor(u), np.floor(v)
    s, t = u - i, v - j
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    top = lattice(i, j, seed) * (1 - s) + lattice(i + 1, j, seed) * s
    bottom = lattice(i, j + 1, seed) * (1 - s) + lattice(i + 1, j + 1, seed) * s
    return top * (1 - t) + bottom * t


def _line(x: np.ndarray, width: float) -> np.ndarray:
    """1 where x, in periods, lies within a line of the given share of the period, else 0."""
    return (np.abs(x - np.rint(x)) < width / 2).astype(np.float32)


def plaster(u, v, half_u, half_v, texture):
    """Paint with faint clouds."""
    return 0.35 * noise(u / texture.period, v / texture.period, texture.seed)


def checker(u, v, half_u, half_v, texture):
    """Two-coloured squares."""
    return (np.floor(u / texture.period) + np.floor(v / texture.period)) % 2


def tiles(u, v, half_u, half_v, texture):
    """Square tiles of slightly different shades, with joints."""
    u, v = u / texture.period, v / texture.period
    shade = 0.3 * lattice(np.rint(u - 0.5), np.rint(v - 0.5), texture.seed)
    return np.maximum(shade, np.maximum(_line(u, 0.06), _line(v, 0.06)))


def planks(u, v, half_u, half_v, texture):
    """Boards with grain, their ends shifted from row to row."""
    row = np.floor(v / texture.period)
    along = u / (8 * texture.period) + lattice(row, row, texture.seed)
    shade = 0.55 * lattice(np.floor(along), row, texture.seed)
    grain = 0.35 * noise(u * 3, v * 60, texture.seed)
    return np.clip(shade + grain + _line(v / texture.period, 0.06) + _line(along, 0.008), 0, 1)


def stripes(u, v, half_u, half_v, texture):
    """Upright stripes."""
    return (np.abs(u / texture.period % 1 - 0.5) < 0.22).astype(np.float32)


def bricks(u, v, half_u, half_v, texture):
    """Courses of bricks in mortar."""
    row = np.floor(v / texture.period)
    along = u / (2.4 * texture.period) + 0.5 * (row % 2)
    shade = 0.45 * lattice(np.floor(along), row, texture.seed)
    return np.maximum(shade, np.maximum(_line(v / texture.period, 0.12), _line(along, 0.05)))


def carpet(u, v, half_u, half_v, texture):
    """Fine speckles over broad clouds."""
    fine = lattice(np.floor(u * 80), np.floor(v * 80), texture.seed)
    return 0.6 * fine + 0.4 * noise(u / texture.period, v / texture.period, texture.seed)


def parcel(u, v, half_u, half_v, texture):
    """Cardboard with a strip of tape along the middle and darker edges."""
    edge = np.minimum(half_u - np.abs(u), half_v - np.abs(v)) < 0.012
    return np.maximum((np.abs(u) < 0.04).astype(np.float32), 0.5 * edge)


def leaf(u, v, half_u, half_v, texture):
    """A door leaf: two sunk panels and a knob."""
    across = np.abs(u) / half_u
    along = v / half_v
    panel = (across < 0.68) & (np.abs(np.abs(along) - 0.47) < 0.38)
    inner = (across < 0.6) & (np.abs(np.abs(along) - 0.47) < 0.35)
    knob = (u / half_u - 0.84) ** 2 * half_u**2 + v**2 < 0.035**2
    return np.maximum(0.55 * (panel & ~inner), knob).astype(np.float32)


def panes(u, v, half_u, half_v, texture):
    """Glass before a sky that pales downwards, in a frame with crossing bars."""
    edge = np.minimum(half_u - np.abs(u), half_v - np.abs(v)) < 0.06
    bars = (np.abs(u) < 0.025) | (np.abs(v - 0.2 * half_v) < 0.025)
    return np.maximum(0.45 * (0.5 - 0.5 * v / half_v), edge | bars).astype(np.float32)


def painting(u, v, half_u, half_v, texture):
    """Hills before a plain ground, in a frame."""
    edge = np.minimum(half_u - np.abs(u), half_v - np.abs(v)) < 0.04
    hills = v / half_v < noise(2.5 * u / half_u, np.zeros_like(u), texture.seed) - 0.6
    sun = (u / half_u - 0.4) ** 2 + (v / half_v - 0.45) ** 2 < 0.05
    return np.clip(edge + 0.7 * hills + 0.5 * sun, 0, 1).astype(np.float32)


PATTERNS: dict[str, Callable[..., np.ndarray]] = {
    pattern.__name__: pattern
    for pattern in (plaster, checker, tiles, planks, stripes, bricks, carpet, parcel, leaf, panes, painting)
}
