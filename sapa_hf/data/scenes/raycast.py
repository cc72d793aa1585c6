"""Ray casting: the picture, the class map and the depth map of a room from one camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .solids import Ball, Box, Pole, Shell, dot

SUPERSAMPLING = 2  # colour samples a pixel and direction; labels and depth are those of the pixel's centre
NOISE = 0.012  # of the camera, as a share of full brightness


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll.

    Args:
        position: (3,) metres.
        yaw: Turn from z towards x, radians.
        pitch: Tilt upwards, radians.
        focal: Focal length in units of the picture's longer side.
    """

    position: np.ndarray
    yaw: float
    pitch: float
    focal: float

    @cached_property
    def axes(self) -> np.ndarray:
        """Unit vectors right, up and forward, (3, 3), one a row."""
        cos, sin, up, level = np.cos(self.yaw), np.sin(self.yaw), np.sin(self.pitch), np.cos(self.pitch)
        forward = np.array([sin * level, up, cos * level])
        right = np.array([cos, 0.0, -sin])
        return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)

    def rays(self, height: int, width: int) -> np.ndarray:
        """Rays (3, h, w) through the pixels' centres, of length 1 along the view axis: they count z-depth."""
        pixels = self.focal * max(height, width)
        right, up, forward = self.axes[:, :, None, None]  # (3, 1, 1) each
        x = ((np.arange(width) + 0.5 - width / 2) / pixels).astype(np.float32)
        y = ((height / 2 - np.arange(height) - 0.5) / pixels).astype(np.float32)
        return forward + x * right + y[:, None] * up

    def window(self, points: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the picture outside of which the hull of points (3, N) is not seen."""
        x, y, z = self.axes @ (points - self.position[:, None])
        if z.min() < 0.05:
            return slice(0, height), slice(0, width)
        pixels = self.focal * max(height, width)
        return _span(height / 2 - pixels * y / z, height), _span(width / 2 + pixels * x / z, width)


@dataclass(frozen=True)
class Room:
    """All that is seen.

    Args:
        shell: Walls, floor and ceiling.
        solids: What stands or hangs in it.
        light: Position of the lamp, (3,).
        power: Brightness of the lamp.
        ambient: Brightness of the light from everywhere.
    """

    shell: Shell
    solids: tuple[Box | Pole | Ball, ...]
    light: np.ndarray
    power: float
    ambient: float


def render(
    room: Room, camera: Camera, height: int, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render image (h, w, 3) uint8, labels (h, w) uint8 and z-depth (h, w) float32 in metres."""
    rays = camera.rays(height, width)
    depth, index = trace(room, camera, rays)
    shell_labels = np.asarray(room.shell.labels, np.uint8)[room.shell.faces(_points(camera, rays, depth))[0]]
    labels = np.array([solid.label for solid in room.solids] + [0], np.uint8)[index]
    labels = np.where(index < 0, shell_labels.reshape(height, width), labels)

    rays = camera.rays(height * SUPERSAMPLING, width * SUPERSAMPLING)
    colours = shade(room, *_met(room, camera, rays))  # (3, N)
    colours = colours.reshape(3, height, SUPERSAMPLING, width, SUPERSAMPLING).mean((2, 4))
    colours = (1 - np.exp(-1.8 * colours)) ** np.float32(1 / 2.2)  # a soft shoulder in place of clipping
    colours += NOISE * rng.standard_normal(colours.shape, np.float32)
    image = (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(image), labels, depth


def trace(room: Room, camera: Camera, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth (h, w) of the nearest surface and the index (h, w) of its solid, -1 for the shell."""
    depth = room.shell.meet(camera.position, rays)
    index = np.full(depth.shape, -1, np.int16)
    for number, solid in enumerate(room.solids):
        window = camera.window(solid.corners(), *depth.shape)
        distance = solid.meet(camera.position[:, None, None], rays[(slice(None), *window)])
        nearer = distance < depth[window]
        depth[window][nearer] = distance[nearer]
        index[window][nearer] = number
    return depth, index


def shade(room: Room, points: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Linear colours (3, N) of points (3, N) on the solids index (N,)."""
    normal, albedo = np.empty_like(points), np.empty_like(points)
    glow = np.zeros(len(index), np.float32)
    for number in np.unique(index):
        on = np.flatnonzero(index == number)
        surface = room.shell if number < 0 else room.solids[number]
        normal[:, on], albedo[:, on] = surface.surface(points[:, on])
        if number >= 0:
            glow[on] = surface.texture.glow
    towards = room.light[:, None] - points
    squared = dot(towards, towards)
    facing = np.maximum(dot(normal, towards), 0) / np.sqrt(squared)
    lit = np.float32(room.power) * facing * ~_shadowed(room, points, towards, squared) / (1 + 0.25 * squared)
    lit += np.float32(room.ambient) * (0.75 + 0.25 * normal[1]) * _openness(room, points, index)
    return albedo * (lit * (1 - glow) + glow)


def _met(room: Room, camera: Camera, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (3, N) that the rays meet and the indices (N,) of their solids."""
    depth, index = trace(room, camera, rays)
    return _points(camera, rays, depth), index.reshape(-1)


def _points(camera: Camera, rays: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Points (3, N) at depth along the rays."""
    return camera.position[:, None] + (depth * rays).reshape(3, -1)


def _shadowed(room: Room, points: np.ndarray, towards: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Whether a solid stands between points (3, N) and the lamp, reached by towards (3, N), squared long."""
    shadow = np.zeros(len(squared), bool)
    for solid in room.solids:
        if not solid.casts:
            continue
        corners = solid.corners()
        centre = corners.mean(1) - room.light
        reach = float(
            dot(*[corners - corners.mean(1, keepdims=True)] * 2).max()
        )  # of its bounding sphere, squared
        along = -(centre @ towards)  # the ray passes the sphere where its centre is close enough to the ray
        close = np.flatnonzero((along > 0) & (along * along > (centre @ centre - reach) * squared) & ~shadow)
        shadow[close] = solid.meet(points[:, close], towards[:, close]) < 1
    return shadow


def _openness(room: Room, points: np.ndarray, index: np.ndarray) -> np.ndarray:
    """How much of the light from everywhere reaches points (3, N): less in corners and close to the floor."""
    x, y, z = room.shell.size[:, None] / 2 - np.abs(points - room.shell.centre[:, None])
    low, high = np.minimum(x, z), np.maximum(x, z)
    nearest, middle = np.minimum(low, y), np.maximum(low, np.minimum(high, y))
    return 1 - 0.45 * np.exp(np.where(index < 0, middle, nearest) / -0.25)


def _span(pixels: np.ndarray, length: int) -> slice:
    """Whole pixels around coordinates, inside the picture."""
    low, high = int(np.floor(pixels.min())) - 1, int(np.ceil(pixels.max())) + 1
    return slice(min(max(low, 0), length), min(max(high, 0), length))
