"""Nothing published tells of the machine's folders, of who worked on it, or of a credential."""

import json

import pytest
from published import edit_json, write_run

import sapa_hf.publishing.card
from sapa_hf.publishing import assemble_folder, find_results, recorded_base
from sapa_hf.publishing.redaction import redact

PRIVATE = {
    "~/alice/data": "data",
    "~alice": "",
    "../alice/data": "data",
    "/home/alice": "",
    "/home/alice/": "",
    "/home/alice/my photos/data": "data",
    "/home/alice/a,/home/alice/b": "a,b",
    "from /mnt/alice smith/x to /mnt/alice/y": "from y",
    "file:///home/alice/data": "data",
    "file:///C:/Users/alice/data.txt": "data.txt",
    r"C:\Users\alice\data": "data",
    "D:/alice/data": "data",
    r"\\server\alice\data": "data",
    r"C:alice\data": "data",
    "$HOME/alice/data": "data",
    r"%USERPROFILE%\alice\data": "data",
    "%2Fhome%2Falice%2Fdata": "data",
    "alice@host:/alice/data": "data",
    "s3://bucket/alice/data?signature=1": "data",
    "https://alice:hunter2@host/data": "https://host/data",
    "https://alice:hun/ter2@host/data?token=1#x": "https://host/data",
    "https://host/~alice/data": "https://host/data",
    "hf_alicealicealice": "[removed]",
    "password=alice, 3 epochs": "[removed], 3 epochs",
    "Bearer alice.alice": "[removed]",
}
LABELS = ("wall/floor", "km / h", "and/or", "t-shirt", "bed ", "a: b", "100 %", "Straße", "n/a")


@pytest.fixture(autouse=True)
def small_count(monkeypatch):
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))


@pytest.mark.parametrize("text", PRIVATE)
def test_paths_and_credentials_are_shortened(text):
    assert redact(text) == redact(text, relative=False) == PRIVATE[text]
    assert redact([{"a": (text,)}]) == [{"a": [PRIVATE[text]]}]


def test_keys_are_shortened_too():
    assert redact({"/home/alice/a": {"~/alice/b": 1}}) == {"a": {"b": 1}}


@pytest.mark.parametrize("label", LABELS)
def test_labels_stay_as_they_are(label):
    assert redact(label, relative=False) == label


def test_what_is_kept_under_the_name_of_a_secret_is_left_out():
    settings = {"hf_token": "x", "API-KEY": "x", "password": ["x"], "num_tokens": 3, "token": 3}
    assert redact(settings) == {"num_tokens": 3, "token": 3}


def test_a_published_folder_tells_no_private_text(tmp_path):
    labels = {label: f"label {label} {text}" for label, text in list(enumerate(PRIVATE))[:10]}
    unknown = dict.fromkeys(("_name_or_path", "comet_key", "task_specific_params"), "alice")
    run = write_run(tmp_path / "run", checkpoint="runs/alice/pretrained")
    edit_json(run / "best" / "config.json", id2label=labels, label2id={}, **unknown)
    edit_json(
        run / "best" / "preprocessor_config.json", _name_or_path="/home/alice/m", tokenizer_file="alice"
    )
    results = json.loads((run / "results.json").read_text())
    results["training"]["settings"] |= {f"{place}: {text}": [text] for place, text in enumerate(PRIVATE)}
    results |= {"checkpoint": {"name_or_path": "alice/best"}, "notes": "alice", "hardware": "alice@host"}
    results["dataset"]["path"] = "alice/data"
    results["per_class"] = [{"id": label, "name": name} for label, name in labels.items()]
    edit_json(run / "results.json", **results)

    folder = assemble_folder(run / "best", tmp_path / "hub", find_results(run))
    written = {path.name: path.read_text() for path in folder.iterdir() if path.suffix != ".safetensors"}
    assert not [name for name, text in written.items() if "alice" in text.lower() or "hunter2" in text]
    assert json.loads(written["config.json"])["id2label"]["0"] == "label 0 data"


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({"checkpoint": None}, "scratch"),
        ({"checkpoint": "nvidia/mit-b1"}, "nvidia/mit-b1"),
        ({"checkpoint": "microsoft/resnet-50"}, "microsoft/resnet-50"),
        ({"checkpoint": "someone/model", "checkpoint_revision": "0" * 40}, "someone/model"),
        ({"checkpoint": "someone/model"}, "./model"),
        ({"checkpoint": "runs/scratch"}, "./scratch"),
        ({"checkpoint": "scratch"}, "./scratch"),
        ({"checkpoint": r"C:\alice\model"}, "./model"),
        ({}, None),
    ],
)
def test_a_recorded_checkpoint_is_a_hub_id_only_with_a_reason(tmp_path, settings, base):
    run = write_run(tmp_path)
    results = json.loads((run / "results.json").read_text())
    edit_json(run / "results.json", training=results["training"] | {"settings": settings})
    assert recorded_base(run) == base


def test_a_folder_on_this_disk_is_not_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "microsoft" / "resnet-50").mkdir(parents=True)
    assert recorded_base(write_run(tmp_path / "run", "microsoft/resnet-50")) == "./resnet-50"
