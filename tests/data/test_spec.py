"""What a data set's description says, and the class names that belong to it."""

import json

import pytest

from sapa_hf.data import SPECS, DatasetSpec, get_spec

NAMES = {0: "ground", 1: "thing"}


@pytest.mark.parametrize(
    "names",
    [{0: "road", 1: "road"}, {0: "road", 1: " road "}, {0: "caf\u00e9", 1: "cafe\u0301"}, {0: "", 1: "a"}],
)
def test_class_names_that_cannot_be_told_apart_are_refused(names):
    with pytest.raises(ValueError, match="every class of id2label must have a name of its own"):
        get_spec("custom", id2label=names)


@pytest.mark.parametrize("names", ['["wall"]', '{"0": "a", "2": "b"}', "{", '{"one": "a"}', "{}"])
def test_a_broken_list_of_class_names_is_refused(tmp_path, names):
    (tmp_path / "id2label.json").write_text(names)
    with pytest.raises(ValueError, match="JSON|id2label|object"):
        get_spec("custom", path=str(tmp_path))


def test_a_spec_refuses_what_contradicts_itself():
    with pytest.raises(ValueError, match="no data set is called 'cityscapes': choose one of ade20k"):
        get_spec("cityscapes")
    with pytest.raises(ValueError, match="no field colour"):
        get_spec("custom", colour="red")
    with pytest.raises(ValueError, match="ignore_index 1 is also a class"):
        get_spec("custom", id2label=NAMES, ignore_index=1)
    with pytest.raises(ValueError, match="depth_scale"):
        get_spec("custom", depth_scale=0)


def test_every_data_set_is_found_by_its_own_name():
    assert all(isinstance(spec, DatasetSpec) and spec.name == name for name, spec in SPECS.items())


def test_a_folder_that_does_not_exist_is_not_a_question_of_class_names(tmp_path):
    spec = get_spec("custom", path=str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError, match="no data set at .*nothing"):
        spec.num_labels  # noqa: B018


def test_class_names_are_found_in_a_folder_below_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "id2label.json").write_text(json.dumps(NAMES))
    assert get_spec("custom", path="~").id2label == NAMES
