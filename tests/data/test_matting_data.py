"""Matting data: compositions from lists of files, mattes and trimaps out of real files, training crops."""

import numpy as np
import pytest
from matting_scenes import disc, encoded, read_list, trimap_of, write_adobe, write_parquet
from PIL import Image

from sapa_hf.data import (
    MattingTransform,
    Samples,
    decode_alpha,
    decode_trimap,
    get_spec,
    load_split,
    survey_split,
)
from sapa_hf.data.composition import compose, cover
from sapa_hf.data.trimap import make_trimap
from sapa_hf.scripts.prepare_composition1k import main as prepare
from sapa_hf.tasks.fingerprint import data_fingerprint


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """The two lists of a tiny Adobe set, written by the script."""
    root = write_adobe(tmp_path_factory.mktemp("adobe"))
    out = root / "lists"
    for split, photos in (("train", "training_photos"), ("test", "test_photos")):
        prepare(
            [
                "--root",
                str(root),
                "--backgrounds",
                str(root / photos),
                "--split",
                split,
                "--output_dir",
                str(out),
            ]
        )
    return root, out


def test_every_foreground_meets_its_own_backgrounds(lists):
    _, out = lists
    train, test = read_list(out / "train.jsonl"), read_list(out / "test.jsonl")
    assert (len(train), len(test)) == (200, 40)
    assert len({row["id"] for row in train}) == 200
    assert (
        train[137]["background"].endswith("training1_37.jpg")
        and "Other/fg/fg1.png" in train[137]["foreground"]
    )
    assert test[21]["trimap"].endswith("Other/trimaps/fg1_1.png") and "trimap" not in train[0]


def test_a_listed_composition_is_its_foreground_over_its_background(lists):
    root, out = lists
    spec = get_spec("composition_1k", path=str(out))
    sample = Samples(load_split(spec, "test"), spec, target="alpha")[21]
    photo, alpha = disc(1)
    with Image.open(root / "test_photos" / "test1_1.jpg") as background:
        behind = cover(np.asarray(background), alpha.shape)
    assert sample["id"] == "fg1_1" and sample["image"].shape == (48, 48, 4)
    assert (sample["image"][..., :3] == compose(photo, alpha, behind)).all()
    assert (sample["image"][..., 3] == trimap_of(alpha)).all()
    assert (sample["labels"] == np.dstack([alpha, photo, behind])).all()
    train = Samples(load_split(spec, "train"), spec, target="alpha")
    assert train[0]["image"].shape == (48, 48, 3)  # training makes its own trimaps
    assert data_fingerprint(train.dataset, spec) != data_fingerprint(train.dataset.select(range(9)), spec)


def test_a_missing_file_is_found_before_anything_is_listed(tmp_path):
    root = write_adobe(tmp_path)
    (root / "training_photos" / "training1_99.jpg").unlink()
    arguments = ["--root", str(root), "--split", "train", "--output_dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=r"no .*training1_99\.jpg"):
        prepare([*arguments, "--backgrounds", str(root / "training_photos")])
    assert not (tmp_path / "out" / "train.jsonl").exists()
    (root / "Training_set" / "training_bg_names.txt").write_text("a.jpg\n")
    with pytest.raises(SystemExit, match="100 backgrounds for each of the 2 foregrounds, got 1"):
        prepare([*arguments, "--backgrounds", str(root / "training_photos")])


@pytest.mark.parametrize(
    ("line", "error", "text"),
    [
        ('{"id": "a", "alpha": "gone.png"}', FileNotFoundError, "line 1 names .*gone.png, which"),
        ("{", ValueError, "line 1 is not JSON"),
        ('{"alpha": 3}', ValueError, "line 1 must be an object of texts"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_with_its_line(tmp_path, line, error, text):
    (tmp_path / "train.jsonl").write_text(line + "\n")
    with pytest.raises(error, match=text):
        load_split(get_spec("composition_1k", path=str(tmp_path)), "train")
    with pytest.raises(FileNotFoundError, match=r"no test\.jsonl; its splits are train"):
        load_split(get_spec("composition_1k", path=str(tmp_path)), "test")


def test_small_backgrounds_are_enlarged_by_one_factor_and_large_ones_cut():
    small = np.full((10, 40, 3), 7, np.uint8)
    assert cover(small, (30, 20)).shape == (30, 20, 3)
    large = np.arange(50 * 60 * 3, dtype=np.uint32).reshape(50, 60, 3).astype(np.uint8)
    assert (cover(large, (20, 30)) == large[:20, :30]).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "I;16"])
def test_a_matte_is_read_from_every_grey_file(mode):
    alpha = np.zeros((4, 5), np.uint8)
    alpha[:, 2:] = 255
    picture = (
        Image.fromarray(alpha.astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(alpha).convert(mode)
    )
    assert (decode_alpha(picture) == alpha).all()


def test_a_matte_with_colours_or_a_transparency_is_refused():
    with pytest.raises(ValueError, match="grey picture, got mode RGBA"):
        decode_alpha(Image.new("RGBA", (4, 4)))
    with pytest.raises(ValueError, match="got one with colours"):
        decode_alpha(Image.new("RGB", (4, 4), "red"))


def test_all_between_background_and_foreground_is_unknown_in_a_trimap():
    assert decode_trimap(np.array([[0, 1, 127, 128, 254, 255]], np.uint8)).tolist() == [
        [0, 128, 128, 128, 128, 255]
    ]


def test_a_wider_trimap_leaves_less_certain_and_what_is_soft_is_never_certain():
    _, alpha = disc(0)
    narrow, wide = make_trimap(alpha, 1, 1), make_trimap(alpha, 9, 5)
    assert (narrow == trimap_of(alpha)).all()
    assert (wide[(alpha > 0) & (alpha < 255)] == 128).all()
    for certain in (0, 255):
        assert 0 < (wide == certain).sum() < (narrow == certain).sum()
        assert (narrow[wide == certain] == certain).all()
    row = np.zeros((1, 20), np.uint8)
    row[:, 10:] = 255
    assert make_trimap(row, 5, 1)[0].tolist() == [0] * 10 + [128] * 2 + [255] * 8
    assert (make_trimap(np.full((3, 3), 255, np.uint8), 9, 9) == 255).all()


def still(**options):
    plain = {"rotation": 0, "zoom": (1, 1), "shear": 0, "flip": 0, "photometric": False, "trimap": (1, 1)}
    return MattingTransform((24, 32), **plain | options, mean=(0, 0, 0), std=(1, 1, 1))


def test_without_changes_a_crop_is_a_piece_of_the_photo_around_an_unknown_pixel():
    photo, alpha = disc(3)
    for seed in range(5):
        pixels, labels = still()(photo, alpha, np.random.default_rng(seed))
        assert pixels.shape == (4, 24, 32) and labels.shape == (24, 32)
        assert 0 < labels[12, 16] < 1
        rows, columns = np.where(np.isclose(alpha / 255, labels[12, 16]))
        mirrored = np.pad(np.dstack([photo, alpha]), ((24, 24), (32, 32), (0, 0)), mode="symmetric")
        pieces = [mirrored[y + 12 : y + 36, x + 16 : x + 48] for y, x in zip(rows, columns, strict=True)]
        found = np.rint(255 * np.dstack([*pixels[:3], labels]))
        assert any((found == piece).all() for piece in pieces)
        unknown = (labels > 0) & (labels < 1)
        assert np.allclose(pixels[3], np.where(unknown, 128 / 255, labels))


def test_a_mirrored_crop_is_mirrored_in_all_its_maps():
    photo, alpha = disc(3)
    one, two = (still(flip=flip)(photo, alpha, np.random.default_rng(1)) for flip in (0, 1))
    for mine, theirs in zip(one, two, strict=True):
        assert np.allclose(mine[..., 1:], theirs[..., :0:-1])  # about the pixel in the middle


def test_a_composition_holds_for_the_colours_that_the_crop_shows():
    """Photo = alpha F + (1 - alpha) B, with F recoloured and turned and B as it was."""
    photo, alpha = disc(4)
    background = disc(5)[0]
    labels = np.dstack([alpha, photo, background])
    transform = MattingTransform((24, 32), mean=(0, 0, 0), std=(1, 1, 1))
    pixels, target = transform(compose(photo, alpha, background), labels, np.random.default_rng(2))
    assert target.shape == (7, 24, 32) and 0 < target[0].mean() < 1
    composed = target[:1] * target[1:4] + (1 - target[:1]) * target[4:]
    assert np.abs(composed - pixels[:3]).max() < 0.6 / 255
    shown = {tuple(pixel) for pixel in np.rint(255 * target[4:]).reshape(3, -1).T.astype(int)}
    assert shown <= {tuple(pixel) for pixel in background.reshape(-1, 3)}


def test_crops_depend_on_the_generator_alone():
    photo, alpha = disc(6)
    transform = MattingTransform((16, 16))
    draws = [transform(photo, alpha, np.random.default_rng(seed))[0] for seed in (1, 1, 2)]
    assert (draws[0] == draws[1]).all() and (draws[0] != draws[2]).any()


@pytest.mark.parametrize(
    "options", [{"crop_size": (0, 3)}, {"rotation": 200}, {"zoom": (2, 1)}, {"trimap": (0, 3)}, {"shear": 90}]
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        MattingTransform(**options)


def test_a_split_without_a_matte_is_refused_and_a_trimap_of_another_size_is_named(tmp_path):
    spec = get_spec("alphamatting", path=str(write_parquet(tmp_path)))
    dataset = load_split(spec, "train")
    survey_split(dataset, spec, "alpha", train=True)
    black = dataset.map(lambda row: {"alpha": encoded(np.zeros((48, 48), np.uint8))})
    with pytest.raises(ValueError, match="no matte to learn or measure"):
        survey_split(black, spec, "alpha", train=True)
    small = dataset.map(lambda row: {"trimap_narrow": encoded(np.zeros((8, 48), np.uint8))})
    with pytest.raises(
        ValueError, match=r"train\[1\] \(train1\): the trimap must have the photo's size, 48x48, got 48x8"
    ):
        Samples(small, spec, target="alpha")[1]


def test_the_real_photos_load_and_their_trimaps_hold_what_the_mattes_leave_open(sapa_data):
    spec = get_spec("alphamatting", path=str(sapa_data / "matting"))
    samples = Samples(load_split(spec, "test"), spec, target="alpha")
    assert len(samples) == 5 and len(load_split(spec, "train")) == 22
    for index in range(5):
        alpha, trimap = samples[index]["labels"], samples[index]["image"][..., 3]
        assert set(np.unique(trimap)) == {0, 128, 255}
        assert np.abs(alpha[trimap == 255].astype(int) - 255).mean() < 5 and alpha[trimap == 0].mean() < 5
