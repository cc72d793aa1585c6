"""The solids of a room and where rays meet them.

Axes are x right, y up and z forward, in metres. Vectors keep their components in front, (3, ...), so that
each component is one block of memory.
"""

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
        """Distances (...), in ray lengths, at which rays (3, ...) from origin (3, ...) enter it, or inf."""
        near, far = np.float32(-np.inf), np.float32(np.inf)
        starts = self._turned(_from(origin, self.centre))
        for start, ray, half in zip(starts, self._turned(rays), self.half, strict=True):
            inverse = 1 / _nonzero(ray)
            middle, reach = start * inverse, np.abs(inverse) * half
            near, far = np.maximum(near, -middle - reach), np.minimum(far, reach - middle)
        return np.where((near <= far) & (near > NEAR), near, np.float32(np.inf))

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outward normals (3, N) and colours (3, N) at points (3, N) on it."""
        local = np.stack(self._turned(_from(points, self.centre)))
        axis = np.argmax(
            np.abs(local) / self.half[:, None], axis=0
        )  # (N,), the axis that the face is normal to
        columns = np.arange(local.shape[1])
        normal = np.zeros_like(local)
        normal[axis, columns] = np.sign(local[axis, columns])
        across, along = np.where(axis == 0, 2, 0), np.where(axis == 1, 2, 1)  # the face's own two axes
        u, v = local[across, columns], local[along, columns]
        return self._turned_back(normal), self.texture.albedo(u, v, self.half[across], self.half[along])

    def corners(self) -> np.ndarray:
        """Its corners, (3, 8)."""
        return self.centre[:, None] + self._turned_back(SIGNS * self.half[:, None])

    def _turned(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Components along the box's own axes."""
        if self.yaw == 0:
            return tuple(vectors)
        cos, sin = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        x, y, z = vectors
        return cos * x - sin * z, y, cos * z + sin * x

    def _turned_back(self, vectors: np.ndarray) -> np.ndarray:
        """Components (3, N) along the room's axes."""
        cos, sin = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        x, y, z = vectors
        return np.stack([cos * x + sin * z, y, cos * z - sin * x])


@dataclass(frozen=True)
class Pole:
    """An upright cylinder, open at its ends.

    Args:
        centre: (3,).
        radius: In metres.
        half_height: In metres.
        label: Its class.
        texture: Along and around it.
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
        start = _from(origin, self.centre)
        a = _nonzero(rays[0] ** 2 + rays[2] ** 2)
        b = start[0] * rays[0] + start[2] * rays[2]
        root = b * b - a * (start[0] ** 2 + start[2] ** 2 - np.float32(self.radius**2))
        distance = (-b - np.sqrt(np.maximum(root, 0))) / a
        inside = np.abs(start[1] + distance * rays[1]) <= self.half_height
        return np.where((root > 0) & (distance > NEAR) & inside, distance, np.float32(np.inf))

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Box.surface`."""
        x, y, z = _from(points, self.centre)
        normal = np.stack([x, np.zeros_like(y), z]) / np.float32(self.radius)
        size = np.full(len(y), self.half_height, np.float32)
        return normal, self.texture.albedo(y, np.arctan2(z, x) * np.float32(self.radius), size, size)

    def corners(self) -> np.ndarray:
        """The corners of its bounding box, (3, 8)."""
        half = np.array([self.radius, self.half_height, self.radius], np.float32)
        return (self.centre + SIGNS.T * half).T


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
        start = _from(origin, self.centre)
        a = dot(rays, rays)
        b = dot(start, rays)
        root = b * b - a * (dot(start, start) - np.float32(self.radius**2))
        distance = (-b - np.sqrt(np.maximum(root, 0))) / a
        return np.where((root > 0) & (distance > NEAR), distance, np.float32(np.inf))

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Box.surface`."""
        radius = np.float32(self.radius)
        normal = _from(points, self.centre) / radius
        around, above = (
            np.arctan2(normal[2], normal[0]) * radius,
            np.arcsin(np.clip(normal[1], -1, 1)) * radius,
        )
        size = np.full(len(above), radius)
        return normal, self.texture.albedo(around, above, size, size)

    def corners(self) -> np.ndarray:
        """The corners of its bounding box, (3, 8)."""
        return self.centre[:, None] + SIGNS * np.float32(self.radius)


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

    @property
    def centre(self) -> np.ndarray:
        """Middle of the room, (3,)."""
        return np.array([0, self.size[1] / 2, 0], np.float32)

    def meet(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Distances (...) at which rays (3, ...) from inside leave the room."""
        far = np.float32(np.inf)
        for start, ray, size in zip(origin - self.centre, rays, self.size, strict=True):
            ray = _nonzero(ray)
            far = np.minimum(far, (np.copysign(size / 2, ray) - start) / ray)
        return far

    def faces(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Faces (N,) of points (3, N) on the shell (0 wall, 1 floor, 2 ceiling), and their axes."""
        local = _from(points, self.centre)
        axis = np.argmax(np.abs(local) / self.size[:, None], axis=0)
        return np.where(axis == 1, np.where(local[1] < 0, 1, 2), 0), axis

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inward normals (3, N) and colours (3, N) at points (3, N) on the shell."""
        face, axis = self.faces(points)
        local, columns = _from(points, self.centre), np.arange(len(face))
        normal, colours = np.zeros_like(points), np.empty_like(points)
        normal[axis, columns] = -np.sign(local[axis, columns])
        u, v = np.where(axis == 0, local[2], local[0]), np.where(axis == 1, local[2], local[1])
        for index, texture in enumerate(self.textures):
            on = np.flatnonzero(face == index)
            colours[:, on] = texture.albedo(u[on], v[on], self.size[0] / 2, self.size[1] / 2)
        return normal, colours


SIGNS = np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], np.float32).T  # (3, 8)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products (...) of vectors (3, ...)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _from(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Points (3, ...) as seen from centre (3,)."""
    return points - centre.reshape(3, *[1] * (points.ndim - 1))


def _nonzero(values: np.ndarray) -> np.ndarray:
    """Move values off zero, so that a division by them stays finite."""
    return np.where(np.abs(values) < 1e-7, np.float32(1e-7), values)
