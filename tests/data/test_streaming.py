import datasets
import numpy as np
import pytest
from torch.utils.data import DataLoader

from sapa_hf.data import Samples, SegmentationTransform, StreamedSamples, get_spec, load_split
from sapa_hf.data.decode import BadSampleError

TRANSFORM = SegmentationTransform(16, base_size=(32, 32))


@pytest.fixture(scope="module")
def spec():
    return get_spec("scenes", options={"count": 21, "eval_count": 2, "size": 24})


@pytest.fixture(scope="module")
def stream(spec, tmp_path_factory):
    """The same rooms as three parquet files, read as they come."""
    dataset, folder = load_split(spec, "train"), tmp_path_factory.mktemp("parquet")
    for number in range(3):
        dataset.shard(3, number, contiguous=True).to_parquet(folder / f"train-{number}.parquet")
    return load_split(get_spec("custom", path=str(folder), id_column="id"), "train", streaming=True)


def batches(stream, spec, workers=0, batch_size=4, **options):
    samples = StreamedSamples(stream, spec, TRANSFORM, seed=3, batch_size=batch_size, **options)
    return list(DataLoader(samples, batch_size=batch_size, num_workers=workers, collate_fn=list))


def ids(batches):
    return [item["id"] for batch in batches for item in batch]


def test_a_stream_gives_the_samples_of_the_data_set(stream, spec):
    mapped = Samples(load_split(spec, "train"), spec)
    streamed = list(StreamedSamples(stream, spec))
    assert len(streamed) == len(mapped) == 21
    for one, other in zip(streamed, (mapped[i] for i in range(21)), strict=True):
        assert one["id"] == other["id"] and np.array_equal(one["image"], other["image"])


def test_any_number_of_workers_gives_the_same_batches(stream, spec):
    alone, shared = batches(stream, spec), batches(stream, spec, workers=2)
    assert ids(alone) == ids(shared) == [f"train_{i:05d}" for i in range(21)]
    for one, other in zip(sum(alone, []), sum(shared, []), strict=True):
        assert np.array_equal(one["pixel_values"], other["pixel_values"])


def test_ranks_share_the_rows_without_repeating_or_losing_one(stream, spec):
    shares = [ids(batches(stream, spec, rank=rank, world_size=3)) for rank in range(3)]
    assert sorted(sum(shares, [])) == [f"train_{i:05d}" for i in range(21)]
    assert {len(share) for share in shares} == {7}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_continues_where_it_stopped_in_a_later_epoch(spec, workers):
    rooms = load_split(spec, "train").to_iterable_dataset(num_shards=3)
    shuffled = rooms.shuffle(seed=5, buffer_size=10)
    whole = sum(batches(shuffled, spec, epochs=2), [])
    rest = sum(batches(shuffled, spec, workers, epochs=2, start=28), [])
    assert [item["id"] for item in rest] == [item["id"] for item in whole[28:]]
    for one, other in zip(rest, whole[28:], strict=True):
        assert np.array_equal(one["pixel_values"], other["pixel_values"])
    assert [item["id"] for item in whole[:21]] != [item["id"] for item in whole[21:]]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_next_row_stands_in_for_an_unreadable_one(spec, workers):
    rows = list(load_split(spec, "train"))
    for broken in (3, 4, 9):
        rows[broken]["image"] = {"bytes": b"not an image", "path": None}
    features = datasets.Features({name: datasets.Image(decode=False) for name in rows[0]})
    features["id"] = datasets.Value("string")
    stream = datasets.Dataset.from_list(rows, features=features).to_iterable_dataset(num_shards=2)
    items = sum(batches(stream, spec, workers, on_bad="skip"), [])
    expected = [5 if i in (3, 4) else 10 if i == 9 else i for i in range(21)]
    assert [item["id"] for item in items] == [f"train_{i:05d}" for i in expected]
    assert sum(item["skipped"] for item in items) == 3
    with pytest.raises(BadSampleError, match=r"row\[3\] \(train_00003\), image: not a readable image"):
        batches(stream, spec)


def test_a_stream_refuses_settings_that_make_no_sense(stream, spec):
    with pytest.raises(ValueError, match="rank 2 of 2"):
        StreamedSamples(stream, spec, rank=2, world_size=2)
    with pytest.raises(ValueError, match="start must be at least 0"):
        StreamedSamples(stream, spec, start=-1)
