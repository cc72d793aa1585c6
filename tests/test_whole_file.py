"""A file appears whole or not at all."""

import pytest

from sapa_hf.whole_file import whole_file


def test_an_error_while_writing_leaves_the_earlier_file_and_no_rest(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    with pytest.raises(KeyboardInterrupt), whole_file(path) as partial:
        partial.write_text("ha")
        raise KeyboardInterrupt
    assert path.read_text() == "whole" and list(path.parent.iterdir()) == [path]
