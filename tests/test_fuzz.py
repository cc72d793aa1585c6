"""A small slice of the fuzz run, which `python scripts/fuzz.py` does in full."""

import sys

import pytest
from fuzz.run import fuzz
from fuzz.targets import TARGETS


@pytest.mark.skipif(sys.platform != "linux", reason="cases run in forked processes with a limit on memory")
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_refused_by_name_or_read_right(name):
    counts, wrong = fuzz(name, 8)
    assert counts["tried"] == 8 and not wrong
