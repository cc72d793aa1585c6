"""There and back: what one process publishes on a Hub, others load by id."""

import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from built_kernel import built_kernel
from huggingface_hub import ModelCard
from loopback_hub import LoopbackHub
from published import save_model, tiny_model, write_run
from safetensors.torch import load_file

import sapa_hf.publishing
from sapa_hf.kernels import repository
from sapa_hf.modeling import sapa_upsample, use_backend
from sapa_hf.publishing import assemble_folder, find_results

HERE = Path(__file__).parent
PIXELS = torch.linspace(-1, 1, 3 * 64 * 96).reshape(1, 3, 64, 96)  # as stranger.py has them
PACKAGE = Path(sapa_hf.publishing.__file__).parent


@pytest.fixture(scope="module")
def hub():
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two model folders that differ in weights and upsampler."""
    run = write_run(tmp_path_factory.mktemp("run"))
    folder = assemble_folder(run / "best", tmp_path_factory.mktemp("published") / "tiny", find_results(run))
    other = tmp_path_factory.mktemp("other")
    save_model(other, tiny_model("bilinear"))
    return folder, other


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """The kernel's repository, assembled from a clean commit as far as the upload can see."""
    folder = tmp_path_factory.mktemp("kernel") / "sapa"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repository, "source_commit", lambda: "c" * 40)
        repository.assemble_repository(built_kernel(), folder, "someone/sapa")
    return folder


def run_client(hub, home, *command, before=None, **environment):
    """Run one program against the Hub, in an interpreter of its own; `before` is called in its process."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env=hub.environment(home, **environment),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=before,
    )


def obey_permissions():
    """Take from root what lets it write to read-only folders: Linux's capability 1, for what runs next."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.fixture(scope="module")
def published(hub, models, kernel, tmp_path_factory):
    """What the publisher says it uploaded."""
    home = tmp_path_factory.mktemp("publisher")
    done = run_client(hub, home, HERE / "publisher.py", home / "report.json", *models, kernel)
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads((home / "report.json").read_text()) | {"said": done.stderr}


@pytest.fixture(scope="module")
def stranger(hub, published, tmp_path_factory):
    """What somebody without sapa_hf got: the report, and the outputs by commit."""
    home = tmp_path_factory.mktemp("stranger")
    commits = published["first"], published["second"]
    command = ["-I", HERE / "stranger.py", PACKAGE, home / "report.json", home / "outputs"]
    done = run_client(hub, home, *command, published["kernel"], *commits)
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads((home / "report.json").read_text()), load_file(home / "outputs"), home


@pytest.mark.slow
def test_a_model_loads_by_id_and_commit_where_it_was_published(published):
    assert published["loaded"] == ["sapa_hf.modeling.modeling_sapa_segformer", "sapa-g"]


@pytest.mark.slow
def test_push_to_hub_tags_the_card_and_points_to_the_better_way(hub, published):
    repository = hub.repositories["models", "someone/tiny"]
    card = ModelCard(repository.commits[published["second"]]["README.md"].decode())
    assert {"feature-upsampling", "sapa", "bilinear"} <= set(card.data.tags)
    assert "sapa-publish" in published["said"]


@pytest.mark.slow
def test_an_upload_that_breaks_off_says_so_and_leaves_the_repository_as_it_was(published):
    for place in ("PUT /store/", "POST /api/models/someone/tiny/commit/"):
        assert published[place].startswith(
            "ConnectionError: the connection broke while someone/tiny was uploaded"
        )
        assert "the repository is as it was. Run the same again." in published[place]
        assert published[f"commits after {place}"] == 1  # the one that made it
    assert f"the model is there as {published['first']}" not in published["card"]  # pushed anew, its own hash
    assert re.search("ConnectionError: .* the model is there as [0-9a-f]{40}, its card", published["card"])


@pytest.mark.slow
def test_a_download_that_breaks_off_says_so_and_keeps_nothing_half(published):
    assert published["download"].startswith(
        "ConnectionError: the connection broke while someone/tiny was down"
    )
    assert published["half"] == []


@pytest.mark.slow
def test_a_data_set_and_a_metric_load_by_id(hub, published):
    assert published["rows"] == [True, True, True]
    assert published["mean_iou"] == 1.0
    assert any(re.search("GET /spaces/someone/mean_iou/resolve/[0-9a-f]{40}", path) for path in hub.asked)


@pytest.mark.slow
def test_a_stranger_loads_two_revisions_in_one_process(published, stranger):
    report, outputs, _ = stranger
    commits = published["first"], published["second"]
    for commit, upsampler, module in zip(commits, ("sapa-g", "bilinear"), report["modules"], strict=True):
        assert module.startswith("transformers_modules.") and commit in module
        with torch.no_grad(), use_backend("plain"):
            torch.testing.assert_close(outputs[commit], tiny_model(upsampler)(PIXELS).logits)


@pytest.mark.slow
def test_what_is_read_is_the_commit_that_was_asked_for(hub, published, stranger):
    repository = hub.repositories["models", "someone/tiny"]
    assert repository.branches["main"] not in (published["first"], None)
    assert stranger[0]["processor"].startswith("SegformerImageProcessor")
    assert any(f"GET /someone/tiny/resolve/{published['first']}/" in path for path in hub.asked)
    assert not any("/someone/tiny/resolve/main/model.safetensors" in path for path in hub.asked)


@pytest.mark.slow
def test_the_kernel_loads_by_version_and_by_commit(hub, published, stranger, kernel):
    report, outputs, _ = stranger
    tensors = [torch.ones(1, 8, 6, 4), torch.ones(1, 4, 3, 4), torch.arange(60.0).reshape(1, 4, 3, 5)]
    torch.testing.assert_close(outputs["kernel"], sapa_upsample(*tensors, backend="plain"))
    assert report["kernels"][1] is True and report["kernels"][0].startswith("_sapa_")
    assert "trust_remote_code" in report["untrusted"]
    repository = hub.repositories["kernels", "someone/sapa"]
    files = set(repository.commits[published["kernel"]]) - {".gitattributes"}
    local = {file.relative_to(kernel).as_posix() for file in kernel.rglob("*") if file.is_file()}
    assert files == local - {"README.md"}
    assert repository.branches["v1"] == published["kernel"] == published["kernel_again"]
    main = repository.commits[repository.branches["main"]]
    assert main["README.md"] == (kernel / "README.md").read_bytes()
    assert set(main) == {"README.md", ".gitattributes"}


@pytest.mark.slow
def test_offline_all_comes_from_a_cache_that_cannot_be_written_to(hub, published, stranger, tmp_path):
    home, asked = stranger[2], len(hub.asked)
    for path in (home, *home.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    command = ["-I", HERE / "offline.py", PACKAGE, tmp_path / "report.json", tmp_path / "outputs"]
    commits = published["kernel"], published["first"]
    done = run_client(hub, home, *command, *commits, before=obey_permissions, HF_HUB_OFFLINE="1")
    for path in (home, *home.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)  # so that pytest can remove it
    assert done.returncode == 0, done.stderr[-5000:]
    report, outputs = json.loads((tmp_path / "report.json").read_text()), load_file(tmp_path / "outputs")
    assert report["cache"] == "PermissionError" and "sapa" in report["kernel"]
    assert outputs["logits"].equal(stranger[1][published["first"]])
    torch.testing.assert_close(outputs["kernel"], stranger[1]["kernel"])
    assert len(hub.asked) == asked
