"""A results file is read against a schema, and what it does not fit is named."""

import json

import pytest
from published import write_run

from sapa_hf.evaluation import read_results


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return (write_run(tmp_path_factory.mktemp("run")) / "results.json").read_text()


def read(text, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    return read_results(path)


WRONG = [
    ("task", 1),
    ("dataset", []),
    ("dataset.images", -1),
    ("dataset.images", True),
    ("dataset.images", 1.5),
    ("dataset.path", ["x"]),
    ("metrics", None),
    ("metrics.mean_iou", "0.4"),
    ("metrics.mean_iou", 43.2),
    ("metrics.mean_iou", True),
    ("metrics.mean_iou", {"value": 0.4}),
    ("metrics.abs_rel", 10**400),
    ("metrics.abs_rel", 1e300),
    ("per_class", {}),
    ("per_class", ["x"]),
    ("per_class", [{}]),
    ("per_class", [{"id": 0, "name": 1}]),
    ("per_class", [{"id": 0, "name": "wall", "iou": "high"}]),
    ("model.weights", 1),
    ("model.upsampler_options", []),
    ("training", "x"),
    ("training.steps", -1),
    ("training.settings", 1.5),
    ("training.settings.checkpoint", ["x"]),
    ("training.settings.deep", json.loads("[" * 30 + "]" * 30)),
    ("training.recipe", {"a": 1}),
    ("evaluation", "x"),
    ("versions.torch", 2),
    ("hardware", None),
    ("hardware", "x" * 5000),
    ("date", "yesterday"),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=lambda value: str(value)[:30])
def test_a_value_of_another_kind_is_named(good, tmp_path, key, value):
    results = json.loads(good)
    *parents, last = key.split(".")
    inner = results
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    with pytest.raises(ValueError, match=key.replace(".", r"\.")):
        read(json.dumps(results), tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a results file"),
        ("[1]", "the file must be an object"),
        ('{"task": NaN}', "NaN is not a number"),
        ('{"task": -Infinity}', "Infinity is not a number"),
        ('{"task": "a", "task": "b"}', "the key 'task' stands there twice"),
        ("[" * 100_000, "not a results file"),
        ('{"a": ' * 2000 + "1" + "}" * 2000, "results"),
        ("1" * 5000, "not a results file"),
    ],
)
def test_what_is_not_a_results_file_is_called_so(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(text, tmp_path)


def test_an_endless_file_is_not_read(tmp_path):
    path = tmp_path / "results.json"
    with path.open("wb") as file:
        file.truncate(10**10)  # sparse
    with pytest.raises(ValueError, match="larger than 32 MB"):
        read_results(path)


def test_a_file_from_before_the_digest_is_read(good, tmp_path):
    results = json.loads(good)
    del results["model"]["weights"], results["training"]["settings"]
    assert read(json.dumps(results), tmp_path) == results
