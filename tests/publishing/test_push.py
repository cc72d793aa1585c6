"""Uploading, to a Hub on this machine."""

import re
import subprocess
import sys

import pytest
from loopback_hub import LoopbackHub
from published import write_run


@pytest.fixture
def hub():
    with LoopbackHub() as hub:
        yield hub


@pytest.mark.slow
def test_push_uploads_the_checked_folder_and_its_card_names_the_commit(hub, tmp_path):
    run, folder = write_run(tmp_path / "run"), tmp_path / "tiny"
    folder.mkdir()
    (folder / "private.txt").write_text("not for the Hub")
    (folder / "service_account.json").write_text("{}")
    (folder / "notes").mkdir()
    (folder / "notes" / "secret.json").write_text("{}")  # of a published kind, but not the folder's own
    command = [sys.executable, "-m", "sapa_hf.scripts.publish", "--run", run, "--output_dir", folder]
    command += ["--overwrite", "--repo_id", "someone/tiny", "--push", "--private"]
    done = subprocess.run(
        command,
        env=hub.environment(tmp_path / "home"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr

    repository = hub.repositories["models", "someone/tiny"]
    assert repository.private
    before, model, card = repository.history
    files = repository.commits[model]
    published = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for name in ("private.txt", "service_account.json", ".published.json"):
        published.pop(name)
    assert set(files) - set(repository.commits[before]) == set(published)
    assert all(files[name] == published[name] for name in published if name != "README.md")
    after = dict(repository.commits[card])
    text = after.pop("README.md").decode()
    assert after.items() <= files.items() and len(after) == len(files) - 1
    assert f'revision = "{model}"' in text and 'repository = "someone/tiny"' in text
    assert text == (folder / "README.md").read_text()
    assert re.search(rf"uploaded someone/tiny, revision {model}", done.stdout)
