"""Which build on this machine counts as one of the present sources."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from sapa_hf.kernels import builder, local, sources
from sapa_hf.modeling.kernel_folder import VARIANTS


@pytest.fixture
def output(tmp_path, monkeypatch):
    """An empty kernel repository, the only one on the machine."""
    monkeypatch.setattr(local, "default_output", lambda: tmp_path)
    monkeypatch.setattr(local, "cache_folder", lambda: tmp_path)
    return tmp_path


def put_variant(output, backend, digest):
    folder = output / "build" / VARIANTS[backend]
    folder.mkdir(parents=True)
    metadata = {"id": f"_sapa_{backend}_{digest}", "digest": {"algorithm": "sha256", "files": {}}}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


@pytest.mark.parametrize(
    ("cuda", "fresh", "found"),
    [
        (None, "cpu", True),
        (None, "cuda", False),
        ("13.0", "cpu", False),
        ("13.0", "cuda", True),
        ("12.8", "cpu", True),
    ],
)
def test_the_variant_that_torch_would_load_is_judged(output, monkeypatch, caplog, cuda, fresh, found):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    digest = sources.source_digest(sources.source_folder())
    for backend in ("cpu", "cuda"):
        put_variant(output, backend, digest if backend == fresh else "0000000")
    assert local.local_build() == (output if found else None)
    assert ("renews it" in caplog.text) != found


def test_a_build_removes_the_other_backends_stale_one(output, monkeypatch):
    monkeypatch.setattr(builder, "compile_units", lambda *arguments: [])
    monkeypatch.setattr(builder, "link", lambda objects, library, *others: library.write_bytes(b""))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    stale = put_variant(output, "cuda", "0000000")
    builder.build("cpu", output, "c++")
    assert not stale.exists() and local.local_build() == output
    builder.build("cuda", output, "c++", "nvcc")
    assert len(list(output.glob("build/*/metadata.json"))) == 2


@pytest.mark.parametrize("name", sources.BUILDERS)
def test_the_digest_changes_with_the_compilers_flags(tmp_path, monkeypatch, name):
    folder = sources.source_folder()
    before = sources.source_digest(folder)
    for file in sources.BUILDERS:
        shutil.copy(Path(sources.__file__).with_name(file), tmp_path)
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "sources.py"))
    assert sources.source_digest(folder) == before
    with (tmp_path / name).open("a") as file:
        file.write("# -O2\n")
    assert sources.source_digest(folder) != before
