import numpy as np
import pytest
import torch

from sapa_hf.data import Samples, SegmentationTransform, collate, get_spec, load_split


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
