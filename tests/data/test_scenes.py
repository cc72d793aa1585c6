import io

import numpy as np
import pytest
from PIL import Image

from sapa_hf.data import Samples, get_spec, load_split
from sapa_hf.data.scenes.dataset import rows
from sapa_hf.data.scenes.raycast import Camera, Room, render, trace
from sapa_hf.data.scenes.rooms import CLASSES, random_room
from sapa_hf.data.scenes.solids import Ball, Box, Pole, Shell
from sapa_hf.data.scenes.textures import PATTERNS, Texture

PLAIN = Texture("plaster", (0.8, 0.2, 0.2), (0.8, 0.2, 0.2))
AHEAD = Camera(np.array([0, 1, -2], np.float32), yaw=0.0, pitch=0.0, focal=1.0)


def room(*solids):
    shell = Shell(np.array([4, 2, 6], np.float32), (0, 1, 2), (PLAIN, PLAIN, PLAIN))
    return Room(shell, solids, np.array([0, 1.8, 0], np.float32), power=2.0, ambient=0.4)


def depth_of(*solids, size=65):
    return trace(room(*solids), AHEAD, AHEAD.rays(size, size))


def at(*xyz):
    return np.array(xyz, np.float32)


def test_depth_is_the_distance_along_the_view_axis():
    depth, index = depth_of()
    assert depth[32, 32] == pytest.approx(5)  # the far wall, 3 m beyond the middle, from 2 m before it
    assert depth[32, 16] == pytest.approx(5)  # flat: the same off the axis
    assert depth[64, 32] == pytest.approx(1 / (32 / 65), rel=1e-5)  # the floor, 1 m below
    assert (index == -1).all()


@pytest.mark.parametrize(
    "solid, expected",
    [
        (Box(at(0, 1, 0), at(0.5, 0.5, 0.5), 0.0, 6, PLAIN), 1.5),
        (Box(at(0, 1, 0), at(0.5, 0.5, 0.5), np.pi / 4, 6, PLAIN), 2 - 0.5 * 2**0.5),
        (Pole(at(0, 1, 0), 0.1, 1.0, 8, PLAIN), 1.9),
        (Ball(at(0, 1, 0), 0.25, 9, PLAIN), 1.75),
    ],
)
def test_solids_are_met_where_geometry_says(solid, expected):
    depth, index = depth_of(solid)
    assert depth[32, 32] == pytest.approx(expected, abs=1e-5) and index[32, 32] == 0
    assert index[0, 0] == -1


def test_looking_only_where_a_solid_may_be_misses_none_of_it():
    for seed in range(6):
        scene, camera = random_room(np.random.default_rng(seed))
        rays = camera.rays(40, 56)
        depth = scene.shell.meet(camera.position, rays)
        for solid in scene.solids:
            depth = np.minimum(depth, solid.meet(camera.position[:, None, None], rays))
        assert np.array_equal(trace(scene, camera, rays)[0], depth)


def test_a_solid_under_the_lamp_darkens_the_floor_beneath():
    camera = Camera(at(0, 1.2, -2), 0.0, -0.4, 1.0)
    board = Box(at(0, 0.9, 0), at(0.4, 0.02, 0.4), 0.0, 7, PLAIN)
    bright, _, _ = render(room(), camera, 64, 64, np.random.default_rng(0))
    dark, labels, _ = render(room(board), camera, 64, 64, np.random.default_rng(0))
    floor = (labels == 1) & (bright.astype(int).sum(-1) - dark.astype(int).sum(-1) > 30)
    assert floor.sum() > 30


def test_random_rooms_are_whole_and_show_every_class():
    seen = set()
    for seed in range(25):
        scene, camera = random_room(np.random.default_rng(seed))
        image, labels, depth = render(scene, camera, 48, 64, np.random.default_rng(seed))
        assert image.shape == (48, 64, 3) and image.dtype == np.uint8 and image.std() > 10
        assert labels.dtype == np.uint8 and depth.dtype == np.float32
        assert depth.min() > 0.05 and depth.max() < 10
        seen |= set(np.unique(labels))
    assert seen == set(range(len(CLASSES)))


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_every_pattern_mixes_two_colours(pattern):
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-1, 1, (2, 500)).astype(np.float32)
    half = np.ones(500, np.float32)
    colours = Texture(pattern, (0, 0, 0), (1, 1, 1), 0.2, seed=5).albedo(u, v, half, half)
    assert colours.shape == (3, 500) and colours.min() >= 0 and colours.max() <= 1 and colours.std() > 0.02


def test_a_room_depends_on_seed_split_and_number_only():
    def room_of(split="train", number=3, seed=0):
        return next(rows(split, [(number, number + 1)], (24, 24), seed))["image"]["bytes"]

    assert room_of() == room_of()
    assert len({room_of(), room_of("test"), room_of(number=4), room_of(seed=1)}) == 4


def test_the_data_set_has_any_size_and_count_with_exact_depth():
    spec = get_spec("scenes", options={"count": 17, "eval_count": 2, "size": (30, 50), "seed": 4})
    assert len(load_split(spec, "test")) == 2
    dataset = load_split(spec, "train")
    streamed = load_split(spec, "train", streaming=True)
    assert list(dataset) == list(streamed) and len(dataset) == 17
    labels, depth = (Samples(dataset, spec, target=target)[16] for target in ("labels", "depth"))
    assert labels["id"] == depth["id"] == "train_00016" and labels["image"].shape == (30, 50, 3)
    stored = np.asarray(Image.open(io.BytesIO(dataset[16]["depth_map"]["bytes"])))
    assert stored.dtype == np.float32 and np.array_equal(stored, depth["labels"])


@pytest.mark.parametrize(
    "options, message", [({"count": 0}, "at least one room"), ({"colour": 1}, "no option colour")]
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_split(get_spec("scenes", options=options), "train")
    with pytest.raises(ValueError, match='Unknown split "dev"'):
        load_split(get_spec("scenes"), "dev")
