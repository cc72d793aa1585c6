"""Ray casting: the picture, the class map and the depth map of a room from one camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .solids import Shell

SUPERSAMPLING = 2  # colour samples a pixel and direction; labels and depth are those of the pixel's centre


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

    def axes(self) -> np.ndarray:
        """Unit vectors right, up and forward, (3, 3)."""
        cos, sin, up, level = np.cos(self.yaw), np.sin(self.yaw), np.sin(self.pitch), np.cos(self.pitch)
        forward = np.array([sin * level, up, cos * level])
        right = np.array([cos, 0.0, -sin])
        return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)

    def rays(self, height: int, width: int) -> np.ndarray:
        """Rays (h, w, 3) through the pixels' centres, of length 1 along the view axis: they count z-depth."""
        pixels = self.focal * max(height, width)
        right, up, forward = self.axes()
        x = ((np.arange(width) + 0.5 - width / 2) / pixels).astype(np.float32)
        y = ((height / 2 - np.arange(height) - 0.5) / pixels).astype(np.float32)
        return forward + x[None, :, None] * right + y[:, None, None] * up

    def window(self, points: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of the picture outside of which the hull of points (N, 3) is not seen."""
        x, y, z = ((points - self.position) @ self.axes().T).T
        if z.min() < 0.05:
            return slice(0, height), slice(0, width)
        pixels = self.focal * max(height, width)
        columns, rows = width / 2 + pixels * x / z, height / 2 - pixels * y / z
        return _span(rows, height), _span(columns, width)


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
    solids: tuple
    light: np.ndarray
    power: float
    ambient: float


def render(room: Room, camera: Camera, height: int, width: int, rng: np.random.Generator):
    """Render image (h, w, 3) uint8, labels (h, w) uint8 and z-depth (h, w) float32 in metres."""
    rays = camera.rays(height, width)
    depth, index = trace(room, camera, rays)
    labels = _labels(room, camera.position + depth[..., None] * rays, index)
    fine = camera.rays(height * SUPERSAMPLING, width * SUPERSAMPLING)
    colours = shade(room, camera, fine, *trace(room, camera, fine))
    colours = colours.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean((1, 3))
    colours = 1 - np.exp(-1.6 * colours)  # a soft shoulder in place of clipping
    colours = colours ** np.float32(1 / 2.2) + rng.normal(0, 0.012, colours.shape).astype(np.float32)
    return (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8), labels, depth


def trace(room: Room, camera: Camera, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth (h, w) of the nearest surface and the index (h, w) of its solid, -1 for the shell."""
    depth = room.shell.meet(camera.position, rays).astype(np.float32)
    index = np.full(depth.shape, -1, np.int16)
    for number, solid in enumerate(room.solids):
        window = camera.window(solid.corners(), *depth.shape)
        distance = solid.meet(camera.position, rays[window])
        nearer = distance < depth[window]
        depth[window][nearer] = distance[nearer]
        index[window][nearer] = number
    return depth, index


def shade(room: Room, camera: Camera, rays: np.ndarray, depth: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Linear colours (h, w, 3) of what the rays met."""
    points = (camera.position + depth[..., None] * rays).reshape(-1, 3)
    index = index.reshape(-1)
    normal, albedo = np.empty_like(points), np.empty_like(points)
    glow = np.zeros(len(points), np.float32)
    for number in np.unique(index):
        on = np.flatnonzero(index == number)
        surface = room.shell if number < 0 else room.solids[number]
        normal[on], albedo[on] = surface.surface(points[on])
        if number >= 0:
            glow[on] = surface.texture.glow
    towards = room.light - points
    squared = (towards * towards).sum(-1)
    facing = np.maximum((normal * towards).sum(-1), 0) / np.sqrt(squared)
    lit = room.power * facing * ~_shadowed(room, points, towards, facing > 0) / (1 + 0.25 * squared)
    around = room.ambient * (0.75 + 0.25 * normal[:, 1]) * _openness(room, points, index)
    return (albedo * (np.maximum(lit + around, 0) * (1 - glow) + glow)[:, None]).reshape(*depth.shape, 3)


def _shadowed(room: Room, points: np.ndarray, towards: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """Whether a solid stands between points (N, 3) and the lamp."""
    shadow = np.zeros(len(points), bool)
    for solid in room.solids:
        if solid.casts:
            open_ = np.flatnonzero(facing & ~shadow)
            shadow[open_] = solid.meet(points[open_], towards[open_]) < 1
    return shadow


def _openness(room: Room, points: np.ndarray, index: np.ndarray) -> np.ndarray:
    """How much of the light from everywhere reaches points (N, 3): less in corners and close to the floor."""
    half = room.shell.size / 2
    gaps = np.stack([half[a] - np.abs(points[:, a] - (half[1] if a == 1 else 0)) for a in range(3)])
    low, middle = np.sort(gaps, axis=0)[:2]
    return 1 - 0.45 * np.exp(-np.where(index < 0, middle, low) / 0.25)


def _labels(room: Room, points: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Classes (h, w) uint8 of the surfaces met."""
    shell = np.asarray(room.shell.labels, np.uint8)[room.shell.faces(points)[0]]
    classes = np.array([solid.label for solid in room.solids] + [0], np.uint8)
    return np.where(index < 0, shell, classes[index])


def _span(pixels: np.ndarray, length: int) -> slice:
    """Whole pixels around coordinates, inside the picture."""
    low, high = int(np.floor(pixels.min())) - 1, int(np.ceil(pixels.max())) + 1
    return slice(min(max(low, 0), length), min(max(high, 0), length))
