"""A data set of the Hub, read from a server on this machine that knows as much of the Hub as is needed."""

import subprocess
import sys

import pytest
from hub_repository import Repository
from loopback_hub import LoopbackHub

from sapa_hf.data import get_spec, load_split

READ = """
import logging, sys
logging.basicConfig(level=logging.WARNING)
from sapa_hf.data import Samples, get_spec, load_split
spec = get_spec("ade20k", id2label={i: str(i) for i in range(10)}, reduce_labels=False)
for streaming in (False, True):
    print([row["image"]["bytes"][:4] for row in load_split(spec, "validation", streaming)])
print(Samples(load_split(spec, "train"), spec)[1]["id"])
"""


@pytest.fixture
def hub(tmp_path):
    """A Hub with the rooms laid out as on the parquet branch: one folder a configuration."""
    spec = get_spec("scenes", options={"count": 3, "eval_count": 2, "size": 24})
    files = {}
    for split in ("train", "validation"):
        load_split(spec, split).to_parquet(tmp_path / "rows.parquet")
        files[f"scene_parsing/{split}/0000.parquet"] = (tmp_path / "rows.parquet").read_bytes()
        files[f"instance_segmentation/{split}/0000.parquet"] = b"never read"
    with LoopbackHub() as hub:
        repository = hub.repositories["datasets", "zhoubolei/scene_parse_150"] = Repository()
        repository.commit("refs/convert/parquet", files, "as the Hub converts")
        yield hub


@pytest.mark.slow
def test_ade20k_is_read_from_its_folder_of_the_parquet_branch(hub, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env=hub.environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (hub.asked, done.stderr[-3000:])
    png = [b"\x89PNG"] * 2
    assert done.stdout.splitlines() == [str(png), str(png), "train[1]"]
    assert any("refs/convert/parquet" in path for path in hub.asked)
    assert not any("instance_segmentation" in path for path in hub.asked)
    assert "newest commit" not in done.stderr
