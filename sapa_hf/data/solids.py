"""The solids of a room and where rays meet them. Axes: x right, y up, z forward, in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .textures import Texture

NEAR = 1e-3  # a ray does not meet the surface that it starts on


@dataclass(frozen=True)
class Box:
    """A box turned about the vertical axis.

    Args:
        centre: (3,).
        half: Half of its sides, (3,).
        yaw: Turn about the vertical axis, radians.
        label: Class of all its faces.
        texture: Of all its faces.
        casts: Whether it throws a shadow.
    """

    centre: np.ndarray
    half: np.ndarray
    yaw: float
    label: int
    texture: Texture
    casts: bool = True

    def meet(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Distance (...), in ray lengths, at which rays (..., 3) from origin meet the box, or inf."""
        start, direction = self._turned(origin - self.centre), self._turned(rays)
        near, far = np.float32(-np.inf), np.float32(np.inf)
        for axis in range(3):
            inverse = 1 / _nonzero(direction[axis])
            middle, reach = -start[axis] * inverse, np.abs(inverse) * self.half[axis]
            near, far = np.maximum(near, middle - reach), np.minimum(far, middle + reach)
        return np.where((near <= far) & (near > NEAR), near, np.inf)

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outward normals (N, 3) and colours (N, 3) at points (N, 3) on the box."""
        local = np.stack(self._turned(points - self.centre), axis=-1)
        axis = np.argmax(np.abs(local) / self.half, axis=-1)
        sign = np.sign(np.take_along_axis(local, axis[:, None], 1)[:, 0])
        normal = np.zeros_like(local)
        normal[np.arange(len(local)), axis] = sign
        across = np.where(axis == 0, 2, 0)  # the face's own horizontal and vertical axes
        along = np.where(axis == 1, 2, 1)
        rows = np.arange(len(local))
        colours = self.texture.albedo(
            local[rows, across], local[rows, along], self.half[across], self.half[along]
        )
        cos, sin = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        turned = np.stack(
            [cos * normal[:, 0] + sin * normal[:, 2], normal[:, 1], cos * normal[:, 2] - sin * normal[:, 0]],
            axis=-1,
        )
        return turned, colours

    def corners(self) -> np.ndarray:
        """The eight corners, (8, 3)."""
        signs = (
            np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], np.float32) * self.half
        )
        cos, sin = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        x, y, z = signs.T
        return self.centre + np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)

    def _turned(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Components of world vectors (..., 3) along the box's own axes."""
        cos, sin = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
        return cos * x - sin * z, y, cos * z + sin * x


@dataclass(frozen=True)
class Pole:
    """An upright cylinder, open at its ends.

    Args:
        centre: (3,).
        radius: In metres.
        half_height: In metres.
        label: Its class.
        texture: Wound around it.
        casts: Whether it throws a shadow.
    """

    centre: np.ndarray
    radius: float
    half_height: float
    label: int
    texture: Texture
    casts: bool = True

    def meet(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """As `Box.meet`."""
        start = origin - self.centre
        a = _nonzero(rays[..., 0] ** 2 + rays[..., 2] ** 2)
        b = start[..., 0] * rays[..., 0] + start[..., 2] * rays[..., 2]
        c = start[..., 0] ** 2 + start[..., 2] ** 2 - np.float32(self.radius**2)
        root = b * b - a * c
        distance = (-b - np.sqrt(np.maximum(root, 0))) / a
        height = start[..., 1] + distance * rays[..., 1]
        return np.where(
            (root > 0) & (distance > NEAR) & (np.abs(height) <= self.half_height), distance, np.inf
        )

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Box.surface`."""
        local = points - self.centre
        normal = local / np.float32(self.radius)
        normal[:, 1] = 0
        around = np.arctan2(local[:, 2], local[:, 0]) * self.radius
        size = np.full(len(points), self.half_height, np.float32)
        return normal, self.texture.albedo(local[:, 1], around, size, size)

    def corners(self) -> np.ndarray:
        """The corners of its bounding box, (8, 3)."""
        return _corners(self.centre, (self.radius, self.half_height, self.radius))


@dataclass(frozen=True)
class Ball:
    """A sphere.

    Args:
        centre: (3,).
        radius: In metres.
        label: Its class.
        texture: Over longitude and latitude.
        casts: Whether it throws a shadow.
    """

    centre: np.ndarray
    radius: float
    label: int
    texture: Texture
    casts: bool = True

    def meet(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """As `Box.meet`."""
        start = origin - self.centre
        a = (rays * rays).sum(-1)
        b = (start * rays).sum(-1)
        root = b * b - a * ((start * start).sum(-1) - np.float32(self.radius**2))
        distance = (-b - np.sqrt(np.maximum(root, 0))) / a
        return np.where((root > 0) & (distance > NEAR), distance, np.inf)

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Box.surface`."""
        normal = (points - self.centre) / np.float32(self.radius)
        around = np.arctan2(normal[:, 2], normal[:, 0]) * self.radius
        above = np.arcsin(np.clip(normal[:, 1], -1, 1)) * self.radius
        size = np.full(len(points), self.radius, np.float32)
        return normal, self.texture.albedo(around, above, size, size)

    def corners(self) -> np.ndarray:
        """The corners of its bounding box, (8, 3)."""
        return _corners(self.centre, (self.radius,) * 3)


@dataclass(frozen=True)
class Shell:
    """The room itself, seen from within: floor at y = 0, centred on the vertical axis.

    Args:
        size: Width, height and depth, (3,).
        labels: Classes of wall, floor and ceiling.
        textures: Of wall, floor and ceiling.
    """

    size: np.ndarray
    labels: tuple[int, int, int]
    textures: tuple[Texture, Texture, Texture]

    def meet(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Distance (...) at which rays (..., 3) from inside leave the room."""
        start = origin - self._centre()
        far = np.float32(np.inf)
        for axis in range(3):
            ray = _nonzero(rays[..., axis])
            far = np.minimum(far, (np.sign(ray) * self.size[axis] / 2 - start[..., axis]) / ray)
        return far

    def faces(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Face of points (..., 3) on the shell, 0 wall, 1 floor, 2 ceiling, and the axis it is normal to."""
        local = points - self._centre()
        axis = np.argmax(np.abs(local) / self.size, axis=-1)
        return np.where(axis == 1, np.where(local[..., 1] < 0, 1, 2), 0), axis

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inward normals (N, 3) and colours (N, 3) at points (N, 3) on the shell."""
        face, axis = self.faces(points)
        local = points - self._centre()
        normal, colours = np.zeros_like(points), np.zeros_like(points)
        rows = np.arange(len(points))
        normal[rows, axis] = -np.sign(local[rows, axis])
        u = np.where(axis == 0, local[:, 2], local[:, 0])
        v = np.where(axis == 1, local[:, 2], local[:, 1])
        for index, texture in enumerate(self.textures):
            on = face == index
            colours[on] = texture.albedo(u[on], v[on], self.size[0] / 2, self.size[1] / 2)
        return normal, colours

    def _centre(self) -> np.ndarray:
        """Middle of the room, (3,)."""
        return np.array([0, self.size[1] / 2, 0], np.float32)


def _nonzero(values: np.ndarray) -> np.ndarray:
    """Move values off zero, so that a division by them stays finite."""
    return np.where(np.abs(values) < 1e-7, np.float32(1e-7), values)


def _corners(centre: np.ndarray, half: tuple[float, float, float]) -> np.ndarray:
    """Corners (8, 3) of an upright bounding box."""
    signs = np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], np.float32)
    return centre + signs * np.asarray(half, np.float32)
