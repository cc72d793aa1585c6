"""Files and folders appear complete or not at all."""

import pytest

from sapa_hf.atomic_write import atomic_folder, atomic_write, temporary_path, tidy


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_error_while_writing_leaves_the_earlier_file_and_no_rest(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as partial:
        partial.write_text("complete")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as partial:
        partial.write_text("ha")
        raise KeyboardInterrupt
    assert path.read_text() == "complete" and names(path.parent) == ["a.txt"]


def test_a_folder_is_replaced_as_one(tmp_path):
    for text in ("first", "second"):
        with atomic_folder(tmp_path / "model") as partial:
            (partial / "inner").mkdir()
            (partial / "inner" / text).write_text(text)
    assert names(tmp_path) == ["model"] and names(tmp_path / "model" / "inner") == ["second"]
    with pytest.raises(ValueError), atomic_folder(tmp_path / "model"):
        raise ValueError
    assert names(tmp_path) == ["model"] and names(tmp_path / "model" / "inner") == ["second"]


def test_the_longest_name_that_a_disk_takes_can_be_written(tmp_path):
    with atomic_write(tmp_path / ("a" * 255)) as partial:
        partial.write_text("complete")
    assert names(tmp_path) == ["a" * 255]


def test_temporary_names_are_never_the_same(tmp_path):
    written = set()
    for _ in range(3):
        with atomic_write(tmp_path / "a") as partial:
            written.add(partial.name)
    assert len(written) == 3


def test_tidying_removes_what_a_killed_process_left_and_nothing_else(tmp_path):
    for name in ("best", "last"):
        (tmp_path / name).mkdir()
    left, lost = temporary_path(tmp_path / "best"), temporary_path(tmp_path / "last", "old")
    left.mkdir()
    (tmp_path / "last").rename(lost)  # killed between the two renames
    temporary_path(tmp_path / "log.jsonl").write_text("half")
    (tmp_path / "mine.partial").write_text("mine")
    tidy(tmp_path)
    assert names(tmp_path) == ["best", "last", "mine.partial"]
