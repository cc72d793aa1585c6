import dataclasses
import io
from functools import partial

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from sapa_hf.data import BadSampleError, Samples, SegmentationTransform, collate, get_spec, load_split


def encoded(array, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def scenes():
    spec = get_spec("scenes", options={"count": 6, "eval_count": 2, "size": 48})
    return load_split(spec, "train"), spec


def test_a_sample_is_the_same_whatever_was_read_before(scenes):
    transform = SegmentationTransform(32, base_size=(48, 48))
    one, other = (Samples(*scenes, transform=transform, seed=7) for _ in range(2))
    for key in [(0, 0), (3, 1), (5, 0)]:
        other[(1, 4)]
        a, b = one[key], other[key]
        assert np.array_equal(a["pixel_values"], b["pixel_values"])
        assert np.array_equal(a["labels"], b["labels"])
    assert not np.array_equal(one[(3, 0)]["pixel_values"], one[(3, 1)]["pixel_values"])


def test_a_batch_has_the_shapes_and_types_that_a_model_takes(scenes):
    samples = Samples(*scenes, transform=SegmentationTransform((32, 40), base_size=(48, 48)))
    batch = collate([samples[0], samples[1]], samples.spec.num_labels)
    assert batch["pixel_values"].shape == (2, 3, 32, 40) and batch["pixel_values"].dtype == torch.float32
    assert batch["labels"].shape == (2, 32, 40) and batch["labels"].dtype == torch.int64
    assert batch["ids"] == ["train_00000", "train_00001"] and batch["skipped"] == 0


def bad_rows(scenes, *broken):
    rows = list(scenes[0])
    for index in broken:
        rows[index]["image"] = {"bytes": rows[index]["image"]["bytes"][:100], "path": None}
    return datasets.Dataset.from_list(rows, features=scenes[0].features)


def test_an_unreadable_row_is_named_or_passed_over_and_counted(scenes):
    dataset, spec = bad_rows(scenes, 2, 3, 5), scenes[1]
    with pytest.raises(BadSampleError, match=r"row\[2\] \(train_00002\), image: not a readable image"):
        Samples(dataset, spec)[2]
    samples = Samples(dataset, spec, on_bad="skip")
    assert [(samples[i]["id"], samples[i]["skipped"]) for i in (1, 2, 3, 5)] == [
        ("train_00001", 0),
        ("train_00004", 2),
        ("train_00004", 1),
        ("train_00000", 1),
    ]


def test_a_data_set_without_one_readable_row_raises_even_when_skipping(scenes):
    with pytest.raises(ValueError, match="none of the 6 rows of scenes can be read"):
        Samples(bad_rows(scenes, *range(6)), scenes[1], on_bad="skip")[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_reports_the_rows_that_it_passed_over(scenes, workers):
    transform = SegmentationTransform(16, base_size=(48, 48))
    samples = Samples(bad_rows(scenes, 1), scenes[1], transform=transform, on_bad="skip")
    loader = DataLoader(samples, 3, num_workers=workers, collate_fn=partial(collate, num_labels=10))
    assert [batch["skipped"] for batch in loader] == [1, 0]


def test_a_mask_of_another_size_is_refused_with_both_sizes(scenes):
    rows = list(scenes[0])
    rows[1]["annotation"] = {"bytes": encoded(np.zeros((40, 48), np.uint8)), "path": None}
    dataset = datasets.Dataset.from_list(rows, features=scenes[0].features)
    with pytest.raises(BadSampleError, match=r"row\[1\] .*photo is 48x48 and its labels 48x40"):
        Samples(dataset, scenes[1])[1]


def test_a_mask_drawn_on_the_unturned_photo_is_refused(scenes):
    exif = Image.Exif()
    exif[0x0112] = 6
    rows = list(scenes[0])[:1]
    rows[0]["image"] = {"bytes": encoded(np.zeros((40, 48, 3), np.uint8), "JPEG", exif=exif), "path": None}
    rows[0]["annotation"] = {"bytes": encoded(np.zeros((40, 48), np.uint8)), "path": None}
    dataset = datasets.Dataset.from_list(rows, features=scenes[0].features)
    with pytest.raises(BadSampleError, match="photo is 40x48 and its labels 48x40.*EXIF orientation applied"):
        Samples(dataset, scenes[1])[0]


def test_labels_that_contradict_the_data_set_raise_even_when_skipping(scenes):
    rows = list(scenes[0])[:1]
    rows[0]["annotation"] = {"bytes": encoded(np.full((48, 48), 10, np.uint8)), "path": None}
    dataset = datasets.Dataset.from_list(rows, features=scenes[0].features)
    with pytest.raises(ValueError, match=r"row\[0\] \(train_00000\), annotation: labels \[10\]"):
        Samples(dataset, scenes[1], on_bad="skip")[0]


def test_rows_without_an_id_column_are_named_by_split_and_number(scenes):
    spec = dataclasses.replace(scenes[1], id_column=None)
    assert Samples(scenes[0], spec)[4]["id"] == "train[4]"


def test_choices_that_the_data_set_cannot_serve_are_refused(scenes):
    dataset, spec = scenes
    with pytest.raises(ValueError, match="on_bad"):
        Samples(dataset, spec, on_bad="ignore")
    with pytest.raises(ValueError, match="target"):
        Samples(dataset, spec, target="normals")
    with pytest.raises(ValueError, match="no label_column"):
        Samples(dataset, dataclasses.replace(spec, label_column=None))
    with pytest.raises(ValueError, match="depth_scale"):
        Samples(dataset, dataclasses.replace(spec, depth_scale=None), target="depth")
    with pytest.raises(IndexError):
        Samples(dataset, spec)[6]
