"""Prediction on image files and the two command lines, on real files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from published import save_model
from tiny_segmentation import tiny_model

from sapa_hf.load import load_model
from sapa_hf.predict import find_images, load_predictor, predict_files
from sapa_hf.scripts import evaluate as evaluate_script
from sapa_hf.scripts import predict as predict_script
from sapa_hf.tasks.segmentation import SegmentationPredictor


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A saved tiny model with its processor."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, tiny_model())
    return folder


@pytest.fixture
def photos(tmp_path):
    """Photos of many modes and sizes, one of them in a folder of its own, and a broken one."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels)
    photo.save(folder / "rgb.png")
    photo.convert("L").save(folder / "grey.png")
    photo.convert("RGBA").save(folder / "alpha.PNG")
    photo.convert("P").save(folder / "palette.gif")
    photo.resize((1, 1)).save(folder / "dot.bmp")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 256).save(folder / "wide.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    photo.save(folder / "turned.jpg", exif=exif)
    photo.save(folder / "deep" / "rgb.png")
    (folder / "broken.jpg").write_bytes((folder / "turned.jpg").read_bytes()[:300])
    (folder / "notes.txt").write_text("no image")
    return folder


def test_every_photo_gets_labels_and_an_overlay_and_a_broken_one_is_reported(model_folder, photos, tmp_path):
    before = {file: file.read_bytes() for file in photos.rglob("*") if file.is_file()}
    predictor = load_predictor(str(model_folder))
    failures = predict_files(predictor, [photos], tmp_path / "out", recursive=True, progress=False)

    assert [file.name for file in failures] == ["broken.jpg"]
    made = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.png")}
    names = ["rgb", "grey", "alpha", "palette", "dot", "wide", "turned", "deep/rgb"]
    assert made == {f"{name}_{kind}.png" for name in names for kind in ("labels", "overlay")}
    assert not list((tmp_path / "out").rglob("*.partial"))
    assert before == {file: file.read_bytes() for file in photos.rglob("*") if file.is_file()}

    with Image.open(tmp_path / "out" / "turned_labels.png") as labels:
        assert labels.mode == "L" and labels.size == (40, 60)  # EXIF orientation is applied
        assert np.asarray(labels).max() < 4
    with Image.open(tmp_path / "out" / "rgb_overlay.png") as overlay:
        assert overlay.mode == "RGB" and overlay.width > 60  # the legend stands beside it


def test_the_command_line_says_what_failed_with_exit_code_1(model_folder, photos, tmp_path, capsys):
    arguments = ["--model", str(model_folder), "--output_dir", str(tmp_path / "out")]
    assert predict_script.main([*arguments, str(photos / "rgb.png"), str(photos / "broken.jpg")]) == 1
    assert "broken.jpg" in capsys.readouterr().err
    assert (tmp_path / "out" / "rgb_overlay.png").is_file()
    assert predict_script.main([*arguments, str(photos / "rgb.png"), "--flip", "--scales", "0.5", "1"]) == 0


def test_a_second_run_into_a_folder_of_the_input_does_not_read_its_own_pictures(model_folder, photos):
    predictor = load_predictor(str(model_folder))
    (photos / "broken.jpg").unlink()
    for _ in range(2):
        assert not predict_files(predictor, [photos], photos / "out", recursive=True, progress=False)
    assert len(list((photos / "out").rglob("*.png"))) == 16
    with pytest.raises(ValueError, match="also an input"):
        predict_files(predictor, [photos], photos, progress=False)


def test_an_input_is_never_overwritten(model_folder, tmp_path):
    photo, trap = tmp_path / "a.png", tmp_path / "a_labels.png"
    for file in (photo, trap):
        Image.new("RGB", (32, 32)).save(file)
    before = trap.read_bytes()
    failures = predict_files(load_predictor(str(model_folder)), [photo, trap], tmp_path, progress=False)
    assert "is itself an input" in failures[photo] and trap.read_bytes() == before
    assert (tmp_path / "a_labels_labels.png").is_file()


def test_images_of_one_name_keep_their_endings(tmp_path):
    for name in ("a.png", "a.jpg", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    predictor = SegmentationPredictor(tiny_model(), short_side=32)
    predict_files(predictor, [tmp_path], tmp_path / "out", progress=False)
    made = sorted(file.name for file in (tmp_path / "out").glob("*_labels.png"))
    assert made == ["a.jpg_labels.png", "a.png_labels.png", "b_labels.png"]
    (tmp_path / "x").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "x" / "b.png")
    with pytest.raises(ValueError, match="separate output folders"):
        predict_files(predictor, [tmp_path / "b.png", tmp_path / "x"], tmp_path / "out", progress=False)


def test_inputs_may_come_from_a_generator(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no image")  # so that no predictor is needed
    places = [place for _, place in find_images(path for path in sorted(tmp_path.iterdir()))]
    assert places == [Path("a.png"), Path("b.png")]
    assert predict_files(None, (path for path in [tmp_path]), tmp_path / "out", progress=False).keys() == {
        tmp_path / "a.png",
        tmp_path / "b.png",
    }


@pytest.fixture
def predictor():
    return SegmentationPredictor(tiny_model(), short_side=32)


def made_in(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*_labels.png"))


def test_every_format_that_pillow_reads_is_predicted_from_a_folder(predictor, tmp_path):
    photo = Image.new("RGB", (40, 36), "red")
    endings = (
        ".jfif",
        ".jpe",
        ".jp2",
        ".tga",
        ".pcx",
        ".ico",
        ".sgi",
        ".ppm",
        ".webp",
        ".TIF",
        ".dds",
    )
    for ending in endings:
        photo.save(tmp_path / f"photo{ending}")
    photo.save(tmp_path / "camera", "JPEG")  # no ending
    photo.save(tmp_path / "scan.dat", "TIFF")  # an ending of another kind
    assert not predict_files(predictor, [tmp_path], tmp_path / "out", progress=False)
    expected = [f"photo{ending}_labels.png" for ending in endings] + ["camera_labels.png", "scan_labels.png"]
    assert made_in(tmp_path / "out") == sorted(expected)


def test_what_is_passed_over_is_named_and_counted(predictor, tmp_path, caplog):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0 ftypheic" + bytes(100))
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "deep").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"x")
    predict_files(predictor, [tmp_path, tmp_path / "a.png"], tmp_path / "out", progress=False)
    predict_files(predictor, [tmp_path], tmp_path / "out", recursive=True, progress=False)
    for text in (
        "passed over, not an image (2): ",
        "photo.heic",
        "gone.jpg",
        "folder not entered; --recursive looks into folders (1)",
        "named more than once, predicted once (1)",
        "passed over in the output folder, as an earlier output (2)",
    ):
        assert text in caplog.text
    assert ".DS_Store" not in caplog.text


def test_links_are_predicted_under_each_of_their_names(predictor, tmp_path):
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(photos / "a.png")
    (photos / "linked.png").symlink_to(photos / "a.png")
    (photos / "hard.png").hardlink_to(photos / "a.png")
    Image.new("RGB", (8, 8)).save(photos / "deep" / "b.png")
    (photos / "again").symlink_to(photos / "deep")
    (photos / "deep" / "loop").symlink_to(photos)
    assert not predict_files(predictor, [photos], tmp_path / "out", recursive=True, progress=False)
    names = ["a", "again/b", "deep/b", "hard", "linked"]
    assert made_in(tmp_path / "out") == [f"{name}_labels.png" for name in names]


def test_every_page_of_a_file_is_predicted(predictor, tmp_path):
    pages = [Image.new("RGB", (40, 36 + n), colour) for n, colour in enumerate(("red", "green", "blue"))]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "moving.gif", save_all=True, append_images=[pages[0].transpose(0)])
    assert not predict_files(predictor, [tmp_path], tmp_path / "out", progress=False)
    assert {"stack_labels.png", "stack_page2_labels.png", "stack_page3_labels.png"} < set(
        made_in(tmp_path / "out")
    )
    with Image.open(tmp_path / "out" / "stack_page3_overlay.png") as overlay:
        assert overlay.height >= 38


def test_a_broken_page_is_named_and_the_others_are_predicted(predictor, tmp_path):
    pages = [Image.fromarray(np.full((30, 30), n, np.uint8)) for n in range(3)]
    pages[0].save(tmp_path / "s.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    content = bytearray((tmp_path / "s.tif").read_bytes())
    with Image.open(tmp_path / "s.tif") as stack:
        stack.seek(1)
        (start,), (length,) = stack.tag_v2[273], stack.tag_v2[279]
    content[start : start + length] = b"\xff" * length
    (tmp_path / "s.tif").write_bytes(content)
    failures = predict_files(predictor, [tmp_path / "s.tif"], tmp_path / "out", progress=False)
    assert failures[tmp_path / "s.tif"].startswith("page 2 of 3: not a readable image")
    assert made_in(tmp_path / "out") == ["s_labels.png", "s_page3_labels.png"]


def test_two_pictures_are_never_written_to_one_place(predictor, tmp_path):
    pages = [Image.new("RGB", (8, 8))] * 2
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a_page2.png")
    failures = predict_files(predictor, [tmp_path], tmp_path / "out", progress=False)
    assert "was written for" in failures[tmp_path / "a_page2.png"]


def test_an_output_folder_that_is_a_file_is_refused_before_the_first_photo(tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(photo)
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(ValueError, match="output folder must be a folder, got .*file"):
            predict_files(None, [photo], output)


@pytest.mark.parametrize("device", ["banana", "xpu"])
def test_a_device_that_is_not_there_is_named(model_folder, device):
    with pytest.raises(ValueError, match=f"device must be one that torch can use here, got {device}"):
        load_model(model_folder, device=device)


def test_missing_inputs_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        find_images([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="no image found"):
        find_images([tmp_path])


def test_more_than_256_classes_are_stored_in_16_bits(tmp_path):
    predictor = SegmentationPredictor(tiny_model(num_labels=300), short_side=32)
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    labels = predictor.predict(image)
    pictures = predictor.pictures(image, np.full_like(labels, 299))
    pictures["labels"].save(tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as stored:
        assert stored.mode == "I;16" and (np.asarray(stored) == 299).all()


@pytest.mark.parametrize("revision", [None, "main", "0123abc"])
def test_remote_code_from_the_hub_needs_a_full_commit(revision):
    with pytest.raises(ValueError, match="40 hexadecimal digits"):
        load_model("someone/something", revision=revision, trust_remote_code=True)


def test_pickled_weights_are_refused(model_folder, tmp_path):
    torch.save(tiny_model().state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_bytes((model_folder / "config.json").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"pytorch_model\.bin is a pickle and is not read"):
        load_model(str(tmp_path))


def test_a_model_without_its_tasks_head_is_refused(model_folder, tmp_path):
    config = json.loads((model_folder / "config.json").read_text())
    config["architectures"] = ["SegformerModel"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="SegformerModel"):
        load_model(str(tmp_path))


def test_scripts_are_thin():
    for script in (evaluate_script, predict_script):
        assert len(Path(script.__file__).read_text().splitlines()) < 90
