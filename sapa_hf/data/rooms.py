"""Random rooms: sizes, furniture, colours, lamp and camera, all drawn from one generator."""

from __future__ import annotations

import colorsys

import numpy as np

from .raycast import Camera, Room
from .solids import Ball, Box, Pole, Shell
from .textures import Texture

CLASSES = ("wall", "floor", "ceiling", "door", "window", "picture", "box", "table", "pole", "ball")
WALL, FLOOR, CEILING, DOOR, WINDOW, PICTURE, BOX, TABLE, POLE, BALL = range(len(CLASSES))


def random_room(rng: np.random.Generator) -> tuple[Room, Camera]:
    """Draw a room and a camera in it; nothing is farther than 10 m away."""
    size = np.array([rng.uniform(3.6, 6), rng.uniform(2.4, 3), rng.uniform(4, 6.5)], np.float32)
    camera = _camera(size, rng)
    solids = [*_hangings(size, rng), *_furniture(size, camera, rng)]
    lamp = np.array(
        [rng.uniform(-0.3, 0.3) * size[0], size[1] - 0.25, rng.uniform(-0.3, 0.3) * size[2]], np.float32
    )
    return Room(_shell(size, rng), tuple(solids), lamp, rng.uniform(1.6, 2.6), rng.uniform(0.3, 0.5)), camera


def _camera(size: np.ndarray, rng: np.random.Generator) -> Camera:
    """Stand near a wall and look across the room."""
    yaw = rng.uniform(0, 2 * np.pi)
    reach = 0.5 * size - 0.35
    position = np.array(
        [
            np.clip(-np.sin(yaw) * size[0], -reach[0], reach[0]),
            rng.uniform(1.1, 1.75),
            np.clip(-np.cos(yaw) * size[2], -reach[2], reach[2]),
        ],
        np.float32,
    )
    return Camera(position, yaw + rng.uniform(-0.3, 0.3), rng.uniform(-0.28, -0.02), rng.uniform(0.7, 0.95))


def _colour(
    rng: np.random.Generator, hue: tuple, saturation: tuple, value: tuple
) -> tuple[float, float, float]:
    """Draw a colour between bounds on hue, saturation and value, each in 0..1."""
    return colorsys.hsv_to_rgb(rng.uniform(*hue) % 1, rng.uniform(*saturation), rng.uniform(*value))


def _texture(
    rng: np.random.Generator, patterns: tuple, hue, saturation, value, period=(0.2, 0.5), accent=0.6, glow=0.0
):
    """Draw a texture whose second colour is the first one, dimmed or brightened by `accent`."""
    colour = _colour(rng, hue, saturation, value)
    second = tuple(min(1.0, channel * accent) for channel in colour)
    pattern = patterns[rng.integers(len(patterns))]
    return Texture(pattern, colour, second, rng.uniform(*period), int(rng.integers(2**31)), glow)


def _shell(size: np.ndarray, rng: np.random.Generator) -> Shell:
    """Walls painted, papered or of brick, a floor of wood, tiles or carpet, a pale ceiling."""
    wall = _texture(
        rng, ("plaster", "plaster", "stripes", "bricks"), (0, 1), (0.05, 0.3), (0.5, 0.85), (0.1, 0.3), 0.85
    )
    floor = _texture(
        rng,
        ("planks", "tiles", "checker", "carpet"),
        (0.02, 0.13),
        (0.25, 0.65),
        (0.25, 0.6),
        (0.14, 0.5),
        0.55,
    )
    ceiling = _texture(rng, ("plaster", "tiles"), (0, 1), (0, 0.06), (0.75, 0.95), (0.5, 0.8), 0.85)
    return Shell(size, (WALL, FLOOR, CEILING), (wall, floor, ceiling))


def _hangings(size: np.ndarray, rng: np.random.Generator) -> list[Box]:
    """Doors, windows and pictures, one place in the middle of each half of the four walls at most."""
    hangings = []
    for axis, side in ((0, -1), (0, 1), (2, -1), (2, 1)):
        along = 2 - axis
        for half in (-1, 1):
            kind = (DOOR, WINDOW, PICTURE, PICTURE, None)[rng.integers(5)]
            if kind is None:
                continue
            width, height, bottom, texture = _hanging(kind, size[1], rng)
            centre = np.zeros(3, np.float32)
            centre[axis] = side * (size[axis] / 2 - 0.02)
            centre[along] = half * size[along] / 4 + rng.uniform(-0.2, 0.2)
            centre[1] = bottom + height / 2
            extent = np.zeros(3, np.float32)
            extent[axis], extent[along], extent[1] = 0.02, width / 2, height / 2
            hangings.append(Box(centre, extent, 0.0, kind, texture, casts=False))
    return hangings


def _hanging(kind: int, ceiling: float, rng: np.random.Generator) -> tuple[float, float, float, Texture]:
    """Width, height, height of its lower edge, and texture."""
    seed = int(rng.integers(2**31))
    if kind == DOOR:
        colour = _colour(rng, (0.03, 0.1), (0.3, 0.7), (0.25, 0.6))
        return (
            rng.uniform(0.8, 1),
            2.0,
            0.0,
            Texture("leaf", colour, tuple(0.4 * c for c in colour), seed=seed),
        )
    if kind == WINDOW:
        sky = _colour(rng, (0.52, 0.62), (0.3, 0.6), (0.85, 1))
        height = rng.uniform(0.9, 1.3)
        return (
            rng.uniform(0.9, 1.4),
            height,
            rng.uniform(0.8, ceiling - height - 0.15),
            Texture("panes", sky, (1, 1, 1), seed=seed, glow=0.6),
        )
    ground, frame = (
        _colour(rng, (0, 1), (0.4, 0.9), (0.5, 0.95)),
        _colour(rng, (0, 1), (0.2, 0.8), (0.05, 0.3)),
    )
    return (
        rng.uniform(0.45, 0.9),
        rng.uniform(0.4, 0.8),
        rng.uniform(1.1, 1.5),
        Texture("painting", ground, frame, seed=seed),
    )


def _furniture(size: np.ndarray, camera: Camera, rng: np.random.Generator) -> list:
    """Boxes, tables, poles and balls on free places of the floor, mostly in view."""
    solids, taken = [], []
    kinds = [BOX] * rng.integers(1, 4) + [TABLE] * rng.integers(0, 3) + [POLE] * rng.integers(1, 5)
    kinds += [BALL] * rng.integers(0, 3)
    for kind in kinds:
        radius = {
            BOX: rng.uniform(0.25, 0.5),
            TABLE: rng.uniform(0.5, 0.75),
            POLE: 0.12,
            BALL: rng.uniform(0.12, 0.3),
        }[kind]
        place = _place(radius, taken, size, camera, rng)
        if place is None:
            continue
        taken.append((*place, radius))
        solids += {BOX: _box, TABLE: _table, POLE: _pole, BALL: _ball}[kind](*place, radius, size[1], rng)
    return solids


def _place(radius: float, taken: list, size: np.ndarray, camera: Camera, rng: np.random.Generator):
    """A free circle of the floor within the camera's view, or None after 20 tries."""
    for _ in range(20):
        angle, distance = camera.yaw + rng.uniform(-0.55, 0.55), rng.uniform(1.3 + radius, 5.5)
        x, z = camera.position[0] + distance * np.sin(angle), camera.position[2] + distance * np.cos(angle)
        if abs(x) > size[0] / 2 - radius or abs(z) > size[2] / 2 - radius:
            continue
        if all(np.hypot(x - a, z - b) > radius + r for a, b, r in taken):
            return x, z
    return None


def _box(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Box]:
    """A parcel or crate, at times with a smaller one on top."""
    boxes, bottom = [], 0.0
    for _ in range(rng.integers(1, 3)):
        half = np.array(
            [radius * rng.uniform(0.5, 0.7), rng.uniform(0.12, 0.4), radius * rng.uniform(0.5, 0.7)],
            np.float32,
        )
        texture = _texture(
            rng,
            ("parcel", "parcel", "plaster", "stripes", "checker"),
            (0, 1),
            (0.35, 0.85),
            (0.35, 0.9),
            (0.15, 0.3),
            0.5,
        )
        boxes.append(
            Box(np.array([x, bottom + half[1], z], np.float32), half, rng.uniform(0, np.pi), BOX, texture)
        )
        bottom, radius = bottom + 2 * half[1], radius * 0.7
    return boxes


def _table(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Box]:
    """A top on four thin legs."""
    half = np.array([radius * rng.uniform(0.6, 0.8), 0.025, radius * rng.uniform(0.45, 0.6)], np.float32)
    yaw, height, leg = rng.uniform(0, np.pi), rng.uniform(0.45, 0.8), rng.uniform(0.018, 0.035)
    texture = _texture(rng, ("planks", "plaster"), (0.04, 0.11), (0.3, 0.7), (0.35, 0.85), (0.08, 0.15), 0.7)
    top = Box(np.array([x, height, z], np.float32), half, yaw, TABLE, texture)
    inner = Box(top.centre, half - np.float32(leg), yaw, TABLE, texture).corners().T[[0, 1, 4, 5]]
    upright = np.array([leg, (height - 0.025) / 2, leg], np.float32)
    return [
        top,
        *(Box(np.array([c[0], upright[1], c[2]], np.float32), upright, yaw, TABLE, texture) for c in inner),
    ]


def _pole(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Pole]:
    """A thin pole from the floor, to the ceiling or part of the way."""
    half = ceiling / 2 if rng.random() < 0.6 else rng.uniform(0.5, 0.95)
    dark = rng.random() < 0.6
    texture = _texture(
        rng,
        ("plaster", "plaster", "stripes"),
        (0, 1),
        (0.0, 0.6),
        (0.05, 0.25) if dark else (0.8, 1),
        (0.3, 0.5),
        0.3,
    )
    return [Pole(np.array([x, half, z], np.float32), rng.uniform(0.015, 0.05), half, POLE, texture)]


def _ball(x: float, z: float, radius: float, ceiling: float, rng: np.random.Generator) -> list[Ball]:
    """A ball on the floor."""
    texture = _texture(
        rng, ("plaster", "stripes", "checker"), (0, 1), (0.6, 1), (0.5, 1), (radius * 0.8, radius * 1.2), 0.35
    )
    return [Ball(np.array([x, radius, z], np.float32), radius, BALL, texture)]
