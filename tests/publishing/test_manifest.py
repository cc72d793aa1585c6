"""Publishing lists what it wrote: only that is uploaded, and only that is replaced."""

import json
import shutil

import pytest
from published import tiny_model, write_run

import sapa_hf.publishing.card
from sapa_hf.publishing import assemble_folder, find_results
from sapa_hf.publishing.card import set_revision
from sapa_hf.publishing.manifest import MANIFEST, read_manifest, unchanged_files, write_manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run and its published folder."""
    made = tmp_path_factory.mktemp("made")
    run = write_run(made / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))  # quick to count
        assemble_folder(run / "best", made / "hub", find_results(run))
    return made


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))
    return shutil.copytree(made / "run", tmp_path / "run")


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made / "hub", tmp_path / "hub")


def test_the_list_names_every_file_that_was_written_and_no_other(folder):
    (folder / "stray.json").write_text("{}")
    (folder / "link.json").symlink_to("/etc/hostname")
    (folder / "notes").mkdir()
    names = {path.name for path in folder.iterdir()} - {"stray.json", "link.json", "notes", MANIFEST}
    assert set(unchanged_files(folder)) == names >= {"model.safetensors", "README.md", "results.json"}


@pytest.mark.parametrize("name", ["README.md", "model.safetensors", "sapa.py"])
def test_a_file_that_was_changed_is_refused(folder, name):
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ValueError, match=rf"^{name} in .*changed since publishing wrote it"):
        unchanged_files(folder)


def test_a_missing_file_and_a_link_in_its_place_are_refused(folder, tmp_path):
    (folder / "config.json").rename(tmp_path / "config.json")
    with pytest.raises(ValueError, match=r"^config\.json in .*missing"):
        unchanged_files(folder)
    (folder / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(ValueError, match=r"^config\.json in"):
        unchanged_files(folder)


def test_the_cards_commit_is_no_change_from_outside(folder):
    set_revision(folder, "0" * 40)
    write_manifest(folder, unchanged := read_manifest(folder))
    assert set(unchanged_files(folder)) == set(unchanged)


def test_a_folder_that_publishing_did_not_write_is_not_uploaded(run):
    with pytest.raises(ValueError, match=r"has no \.published\.json"):
        unchanged_files(run / "best")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"../x": "0"}', '{"/etc/passwd": "%s"}' % ("0" * 64), '{"a": 1}']
)
def test_a_damaged_list_is_refused(folder, text):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"\.published\.json"):
        unchanged_files(folder)


def test_overwriting_removes_what_publishing_wrote_and_nothing_else(folder, run, tmp_path):
    tiny_model().save_pretrained(run / "best", max_shard_size="30KB")
    (run / "best" / "model.safetensors").unlink(missing_ok=True)
    outside = tmp_path / "outside.json"
    outside.write_text("mine")
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(outside)
    (folder / "notes.json").write_text("mine")
    (folder / "results.json").write_text("mine")  # changed by hand, and no longer published
    assemble_folder(run / "best", folder, None, overwrite=True)
    assert outside.read_text() == (folder / "notes.json").read_text() == "mine"
    assert (folder / "results.json").read_text() == "mine"
    assert not (folder / "config.json").is_symlink()
    assert not {"results.json", "notes.json"} & set(unchanged_files(folder))


def test_results_of_an_earlier_model_are_removed(folder, run):
    assemble_folder(run / "best", folder, None, overwrite=True)
    assert not (folder / "results.json").exists()


def test_a_failure_leaves_the_earlier_folder_as_it_was(folder, run, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*arguments, **options):
        raise ValueError("no card")

    monkeypatch.setattr("sapa_hf.publishing.folder.write_card", fail)
    with pytest.raises(ValueError, match="no card"):
        assemble_folder(run / "best", folder, None, overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_in_the_place_of_a_file_is_named(folder, run):
    (folder / "LICENSE").unlink()
    (folder / "LICENSE").mkdir()
    with pytest.raises(ValueError, match="LICENSE must be a file"):
        assemble_folder(run / "best", folder, find_results(run), overwrite=True)
    assert json.loads((folder / MANIFEST).read_text())
