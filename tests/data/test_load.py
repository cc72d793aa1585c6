import io
import json
import shutil

import datasets
import numpy as np
import pytest
from PIL import Image

from sapa_hf.data import Samples, decode_mask, get_spec, load_split

NAMES = {0: "ground", 1: "thing"}


def encoded(array, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def rows(count=3):
    rng = np.random.default_rng(0)
    return [
        {
            "name": f"p{i}",
            "photo": {
                "bytes": encoded(rng.integers(0, 256, (8, 10, 3), np.uint8), "JPEG"),
                "path": f"p{i}.jpg",
            },
            "mask": {"bytes": encoded(rng.integers(0, 2, (8, 10), np.uint8)), "path": f"p{i}.png"},
            "extra": i,
        }
        for i in range(count)
    ]


FEATURES = datasets.Features(
    {
        "name": datasets.Value("string"),
        "photo": datasets.Image(),
        "mask": datasets.Image(),
        "extra": datasets.Value("int64"),
    }
)
COLUMNS = {"id_column": "name", "image_column": "photo", "label_column": "mask", "id2label": NAMES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parquet")
    dataset = datasets.Dataset.from_list(rows(), features=FEATURES)
    for split in ("train", "validation"):
        dataset.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "id2label.json").write_text(json.dumps({str(k): f"local {v}" for k, v in NAMES.items()}))
    return folder


def first(dataset, spec):
    return Samples(dataset, spec)[0]


def test_a_folder_of_parquet_files_is_read_by_named_columns(folder):
    spec = get_spec("custom", path=str(folder), **COLUMNS)
    dataset = load_split(spec, "validation")
    assert len(dataset) == 3 and dataset.column_names == ["name", "photo", "mask"]
    assert isinstance(dataset[0]["photo"], dict)  # left encoded
    sample = first(dataset, spec)
    assert sample["id"] == "p0" and sample["image"].shape == (8, 10, 3) and sample["labels"].shape == (8, 10)


def test_a_single_parquet_file_is_a_split(folder):
    spec = get_spec("custom", path=str(folder / "data" / "train-00000-of-00001.parquet"), **COLUMNS)
    assert first(load_split(spec, "train"), spec)["id"] == "p0"


def test_an_image_folder_with_two_file_columns_is_read(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        with (tmp_path / split / "metadata.jsonl").open("w") as file:
            for row in rows(2):
                (tmp_path / split / row["photo"]["path"]).write_bytes(row["photo"]["bytes"])
                (tmp_path / split / row["mask"]["path"]).write_bytes(row["mask"]["bytes"])
                names = {"photo_file_name": row["photo"]["path"], "mask_file_name": row["mask"]["path"]}
                file.write(json.dumps({**names, "name": row["name"]}) + "\n")
    spec = get_spec("custom", path=str(tmp_path), **COLUMNS)
    for streaming in (False, True):
        dataset = load_split(spec, "test", streaming)
        assert [row["name"] for row in dataset] == ["p0", "p1"]
    sample = first(load_split(spec, "test"), spec)
    assert sample["image"].shape == (8, 10, 3) and set(np.unique(sample["labels"])) == {0, 1}


def test_a_streamed_split_keeps_the_columns_and_stays_encoded(folder):
    spec = get_spec("custom", path=str(folder), **COLUMNS)
    row = next(iter(load_split(spec, "train", streaming=True)))
    assert list(row) == ["name", "photo", "mask"] and row["photo"]["bytes"][:2] == b"\xff\xd8"


@pytest.mark.parametrize("streaming", [False, True])
def test_a_missing_column_is_named_beside_those_present(folder, streaming):
    spec = get_spec("custom", path=str(folder), id2label=NAMES)
    with pytest.raises(
        ValueError, match="no column 'image', 'annotation'; .* 'name', 'photo', 'mask', 'extra'"
    ):
        load_split(spec, "train", streaming)


def test_a_missing_split_is_named_beside_those_present(folder):
    with pytest.raises(ValueError, match=r'Unknown split "dev"\. Should be one of .*train.*validation'):
        load_split(get_spec("custom", path=str(folder), **COLUMNS), "dev")


def test_a_folder_that_is_not_there_is_not_looked_up_on_the_hub(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="no data set at .*nothing: give an existing folder or a Hub id"
    ):
        load_split(get_spec("custom", path=str(tmp_path / "nothing")), "train")


@pytest.mark.parametrize("name", ["batch [v1]", "a*b", "what?", "[", "x]y[z"])
def test_a_folder_whose_name_looks_like_a_pattern_is_read(folder, tmp_path, name):
    parquet = tmp_path / name / "parquet"
    shutil.copytree(folder, parquet)
    spec = get_spec("custom", path=str(parquet), **COLUMNS)
    assert len(load_split(spec, "validation")) == 3
    spec = get_spec("custom", path=str(parquet / "data" / "train-00000-of-00001.parquet"), **COLUMNS)
    assert len(load_split(spec, "train")) == 3
    images = tmp_path / name / "images" / "test"
    images.mkdir(parents=True)
    (images / "0.png").write_bytes(encoded(np.zeros((8, 10, 3), np.uint8)))
    (images / "m.png").write_bytes(encoded(np.zeros((8, 10), np.uint8)))
    (images / "metadata.jsonl").write_text('{"file_name": "0.png", "mask_file_name": "m.png"}')
    spec = get_spec("custom", path=str(images.parent), id2label=NAMES, label_column="mask")
    for streaming in (False, True):
        assert len(list(load_split(spec, "test", streaming))) == 1
    (tmp_path / name / "nothing").mkdir()
    with pytest.raises(ValueError, match="rename the folder"):
        load_split(get_spec("custom", path=str(tmp_path / name / "nothing")), "train")


def paired_folders(root, places, masks=("a", "b")):
    """Write photos a and b and their masks into two folders."""
    for kind, stems in (("images", ("a", "b")), ("masks", masks)):
        place = root / places.format(kind=kind)
        place.mkdir(parents=True)
        for number, stem in enumerate(stems):
            array = np.full((8, 10, 3) if kind == "images" else (8, 10), number, np.uint8)
            ending = ".jpg" if kind == "images" else ".png"
            (place / f"{stem}{ending}").write_bytes(encoded(array, ending[1:].replace("jpg", "JPEG")))


@pytest.mark.parametrize("places", ["train/{kind}", "{kind}/train"])
@pytest.mark.parametrize("streaming", [False, True])
def test_images_and_masks_in_two_folders_are_paired_by_their_names(tmp_path, places, streaming):
    paired_folders(tmp_path / "batch [v1]", places)
    spec = get_spec("custom", path=str(tmp_path / "batch [v1]"), id2label=NAMES, id_column="id")
    rows = list(load_split(spec, "train", streaming))
    assert [row["id"] for row in rows] == ["a", "b"]
    if not streaming:
        samples = Samples(load_split(spec, "train"), spec)
        assert samples.split == "train" and (samples[1]["labels"] == 1).all()


def test_two_folders_that_do_not_pair_say_what_is_missing(tmp_path):
    paired_folders(tmp_path / "one", "train/{kind}", masks=("a", "c"))
    with pytest.raises(ValueError, match="2 have no partner, such as 'b'"):
        load_split(get_spec("custom", path=str(tmp_path / "one"), id2label=NAMES), "train")
    with pytest.raises(ValueError, match=r"no validation/images.*metadata\.jsonl"):
        load_split(get_spec("custom", path=str(tmp_path / "one"), id2label=NAMES), "validation")
    paired_folders(tmp_path / "flat", "{kind}")
    with pytest.raises(ValueError, match=r"<split>/images.*metadata\.jsonl"):
        load_split(get_spec("custom", path=str(tmp_path / "flat"), id2label=NAMES), "train")


def test_a_damaged_parquet_file_is_said_to_be_one(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"cannot be read \(ArrowInvalid: .*replace its damaged file"):
        load_split(get_spec("custom", path=str(tmp_path)), "train")


def test_an_empty_folder_says_what_a_data_set_is(tmp_path):
    with pytest.raises(ValueError, match=r"holds no data set: parquet files.*metadata\.jsonl"):
        load_split(get_spec("custom", path=str(tmp_path)), "train")


def test_a_file_that_holds_no_data_set_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="must be a data set"):
        load_split(get_spec("custom", path=str(tmp_path / "photo.jpg")), "train")


def test_camvid_without_a_path_says_what_is_missing():
    with pytest.raises(ValueError, match="'camvid' has no home on the Hub: give path"):
        load_split(get_spec("camvid"), "train")


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("ade20k", {}, {"data_dir": "scene_parsing", "revision": "refs/convert/parquet"}),
        (
            "custom",
            {"path": "a/b", "config_name": "c", "revision": "d" * 40},
            {"name": "c", "revision": "d" * 40},
        ),
        ("custom", {"path": "a/b"}, {"name": None, "revision": None}),
    ],
)
def test_a_hub_id_is_asked_for_with_its_revision(name, options, expected, folder, monkeypatch, caplog):
    asked, real = {}, datasets.load_dataset

    def record(path, **arguments):
        asked.update(path=path, **arguments)
        return real(str(folder), split=arguments["split"])

    monkeypatch.setattr(datasets, "load_dataset", record)
    spec = get_spec(name, **{**options, **COLUMNS, "id_column": None})
    load_split(spec, "train")
    assert asked == {"path": spec.path, "split": "train", "streaming": False, **expected}
    assert ("newest commit" in caplog.text) == (expected["revision"] is None)


def test_the_parquet_branch_of_ade20k_is_read_by_its_folder(folder, tmp_path):
    for config in ("scene_parsing", "instance_segmentation"):
        (tmp_path / config / "train").mkdir(parents=True)
    source = (folder / "data" / "train-00000-of-00001.parquet").read_bytes()
    (tmp_path / "scene_parsing" / "train" / "0000.parquet").write_bytes(source)
    (tmp_path / "instance_segmentation" / "train" / "0000.parquet").write_bytes(b"never read")
    assert len(datasets.load_dataset(str(tmp_path), data_dir="scene_parsing", split="train")) == 3


def test_a_local_path_leaves_the_hub_configuration_and_revision_behind(folder):
    spec = get_spec("ade20k", path=str(folder))
    assert spec.config_name is None and spec.revision is None and spec.reduce_labels


def test_class_names_come_from_the_caller_then_the_folder_then_the_description(folder):
    assert get_spec("ade20k").num_labels == 150 and get_spec("ade20k").id2label[0] == "wall"
    assert get_spec("camvid", path=str(folder)).id2label == {0: "local ground", 1: "local thing"}
    assert get_spec("camvid", path=str(folder), id2label={"0": "x"}).id2label == {0: "x"}
    with pytest.raises(ValueError, match="no class names: give id2label"):
        _ = get_spec("custom").num_labels


def test_the_real_sets_load_and_pass_their_checks(sapa_data):
    for name, folder, split, classes in (
        ("camvid", "camvid", "test", 11),
        ("ade20k", "ade20k_sample", "validation", 150),
    ):
        spec = get_spec(name, path=str(sapa_data / folder), id_column="id")
        samples = Samples(load_split(spec, split), spec)
        assert spec.num_labels == classes
        for index in range(3):
            assert samples[index]["image"].shape[:2] == samples[index]["labels"].shape


def test_the_benchmark_coding_of_ade20k_is_reduced_once(sapa_data):
    spec = get_spec("ade20k", path=str(sapa_data / "ade20k_sample"))
    dataset = load_split(spec, "validation")
    for index, row in enumerate(dataset):
        stored = decode_mask(row["annotation"]).astype(int)
        expected = np.where(stored == 0, 255, stored - 1)
        assert np.array_equal(Samples(dataset, spec)[index]["labels"], expected)


def test_raw_depth_with_holes_is_read_in_metres(sapa_data):
    options = {"label_column": None, "depth_column": "depth_map", "id_column": "id"}
    spec = get_spec("custom", path=str(sapa_data / "rgbd_with_holes"), depth_scale=0.001, **options)
    dataset = load_split(spec, "test")
    samples = Samples(dataset, spec, target="depth")
    depths = [samples[index]["labels"] for index in range(0, 62, 7)]
    assert all(depth.dtype == np.float32 and depth.max() < 70 for depth in depths)
    assert any((depth == 0).any() for depth in depths)
    metres = get_spec("custom", path=str(sapa_data / "rgbd_with_holes"), depth_scale=1.0, **options)
    with pytest.raises(ValueError, match=r"test\[0\] \(000\), depth_map: the median is .* depth_scale=1.0"):
        Samples(dataset, metres, target="depth")[0]
