"""Random rooms: sizes, furniture, lamp and camera, all drawn from one generator."""

from __future__ import annotations

import numpy as np

from . import finishes
from .raycast import Camera, Room
from .solids import Ball, Box, Pole, Shell

CLASSES = ("wall", "floor", "ceiling", "door", "window", "picture", "box", "table", "pole", "ball")
WALL, FLOOR, CEILING, DOOR, WINDOW, PICTURE, BOX, TABLE, POLE, BALL = range(len(CLASSES))


def random_room(rng: np.random.Generator) -> tuple[Room, Camera]:
    """Draw a room and a camera in it; nothing is farther than 10 m away."""
    size = _vector(rng.uniform(3.6, 6), rng.uniform(2.4, 3), rng.uniform(4, 6.5))
    textures = tuple(kind.draw(rng) for kind in (finishes.WALLS, finishes.FLOORS, finishes.CEILINGS))
    camera = _camera(size, rng)
    solids = (*_hangings(size, rng), *_furniture(size, camera, rng))
    lamp = _vector(rng.uniform(-0.3, 0.3) * size[0], size[1] - 0.25, rng.uniform(-0.3, 0.3) * size[2])
    shell = Shell(size, (WALL, FLOOR, CEILING), textures)
    return Room(shell, solids, lamp, rng.uniform(1.7, 2.6), rng.uniform(0.35, 0.5)), camera


def _vector(x: float, y: float, z: float) -> np.ndarray:
    """(3,) in single precision."""
    return np.array([x, y, z], np.float32)


def _camera(size: np.ndarray, rng: np.random.Generator) -> Camera:
    """Stand near a wall and look across the room."""
    yaw = rng.uniform(0, 2 * np.pi)
    reach = 0.5 * size - 0.35
    x = np.clip(-np.sin(yaw) * size[0], -reach[0], reach[0])
    z = np.clip(-np.cos(yaw) * size[2], -reach[2], reach[2])
    position = _vector(x, rng.uniform(1.1, 1.75), z)
    return Camera(position, yaw + rng.uniform(-0.3, 0.3), rng.uniform(-0.28, -0.02), rng.uniform(0.7, 0.95))


def _hangings(size: np.ndarray, rng: np.random.Generator) -> list[Box]:
    """Doors, windows and pictures: at most one in each half of the four walls."""
    hangings = []
    for axis, side in ((0, -1), (0, 1), (2, -1), (2, 1)):
        for half in (-1, 1):
            kind = (DOOR, WINDOW, WINDOW, PICTURE, None)[rng.integers(5)]
            if kind is None:
                continue
            finish, width, height, bottom = _hanging(kind, size[1], rng)
            centre, extent = np.zeros((2, 3), np.float32)
            centre[1], extent[1] = bottom + height / 2, height / 2
            centre[axis], extent[axis] = side * (size[axis] / 2 - 0.02), 0.02
            centre[2 - axis] = half * size[2 - axis] / 4 + rng.uniform(-0.2, 0.2)
            extent[2 - axis] = width / 2
            hangings.append(Box(centre, extent, 0.0, kind, finish.draw(rng), casts=False))
    return hangings


def _hanging(
    kind: int, ceiling: float, rng: np.random.Generator
) -> tuple[finishes.Finish, float, float, float]:
    """Finish, width, height and the height of the lower edge."""
    if kind == DOOR:
        return finishes.DOORS, rng.uniform(0.8, 1), 2.0, 0.0
    if kind == WINDOW:
        height = rng.uniform(0.9, 1.3)
        return finishes.WINDOWS, rng.uniform(0.9, 1.4), height, rng.uniform(0.8, ceiling - height - 0.15)
    return finishes.PICTURES, rng.uniform(0.45, 0.9), rng.uniform(0.4, 0.8), rng.uniform(1.1, 1.5)


def _furniture(size: np.ndarray, camera: Camera, rng: np.random.Generator) -> list[Box | Pole | Ball]:
    """Boxes, tables, poles and balls on free places of the floor, mostly in view."""
    kinds = (
        [(_boxes, 0.25, 0.5)] * rng.integers(1, 4)
        + [(_table, 0.5, 0.75)] * rng.integers(1, 3)
        + [(_pole, 0.12, 0.12)] * rng.integers(1, 5)
        + [(_ball, 0.15, 0.35)] * rng.integers(1, 4)
    )
    solids, taken = [], []
    for make, least, greatest in kinds:
        radius = rng.uniform(least, greatest)
        place = _place(radius, taken, size, camera, rng)
        if place is not None:
            taken.append((*place, radius))
            solids += make(*place, radius, size[1], rng)
    return solids


def _place(
    radius: float, taken: list[tuple], size: np.ndarray, camera: Camera, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Centre (x, z) of a free circle of the floor within the camera's view, or None after 20 tries."""
    for _ in range(20):
        angle, distance = camera.yaw + rng.uniform(-0.55, 0.55), rng.uniform(1.3 + radius, 5.5)
        x, z = camera.position[0] + distance * np.sin(angle), camera.position[2] + distance * np.cos(angle)
        if abs(x) > size[0] / 2 - radius or abs(z) > size[2] / 2 - radius:
            continue
        if all(np.hypot(x - a, z - b) > radius + r for a, b, r in taken):
            return x, z
    return None


def _boxes(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Box]:
    """A box, at times with a smaller one on top."""
    boxes, bottom = [], 0.0
    for _ in range(rng.integers(1, 3)):
        half = _vector(radius * rng.uniform(0.5, 0.7), rng.uniform(0.12, 0.4), radius * rng.uniform(0.5, 0.7))
        centre, yaw = _vector(x, bottom + half[1], z), rng.uniform(0, np.pi)
        boxes.append(Box(centre, half, yaw, BOX, finishes.PARCELS.draw(rng)))
        bottom, radius = bottom + 2 * half[1], radius * 0.7
    return boxes


def _table(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Box]:
    """A top on four thin legs."""
    half = _vector(radius * rng.uniform(0.6, 0.8), 0.025, radius * rng.uniform(0.45, 0.6))
    yaw, height, leg = rng.uniform(0, np.pi), rng.uniform(0.45, 0.8), rng.uniform(0.018, 0.035)
    texture = finishes.TABLES.draw(rng)
    top = Box(_vector(x, height, z), half, yaw, TABLE, texture)
    places = Box(top.centre, half - np.float32(leg), yaw, TABLE, texture).corners().T[[0, 1, 4, 5]]
    upright = _vector(leg, (height - 0.025) / 2, leg)
    return [top] + [Box(_vector(a, upright[1], b), upright, yaw, TABLE, texture) for a, _, b in places]


def _pole(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Pole]:
    """A thin pole from the floor, to the ceiling or part of the way."""
    half = ceiling / 2 if rng.random() < 0.6 else rng.uniform(0.5, 0.95)
    finish = finishes.DARK_POLES if rng.random() < 0.6 else finishes.PALE_POLES
    return [Pole(_vector(x, half, z), rng.uniform(0.015, 0.05), half, POLE, finish.draw(rng))]


def _ball(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Ball]:
    """A ball on the floor."""
    return [Ball(_vector(x, radius, z), radius, BALL, finishes.BALLS.draw(rng))]
