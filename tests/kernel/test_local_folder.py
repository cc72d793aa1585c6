"""A kernel's folder on this machine that is not as it was built costs a warning, never the result."""

import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from sapa_hf.modeling import compiled_kernel, sapa_upsample
from sapa_hf.modeling.kernel_folder import find_variant, load_local


@pytest.fixture
def variant(repository, tmp_path):
    """A copy of the variant folder that this torch loads, in a repository of its own."""
    source = find_variant(repository)
    folder = tmp_path / "repository" / "build" / source.name
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def metadata_of(variant):
    return json.loads((variant / "metadata.json").read_text())


def change(**fields):
    """A change of metadata.json; a function changes the present value."""

    def apply(variant):
        metadata = metadata_of(variant)
        for name, value in fields.items():
            metadata[name] = value(metadata[name]) if callable(value) else value
        (variant / "metadata.json").write_text(json.dumps(metadata))

    return apply


def without(*endings):
    """A digest list that lacks the files whose names end so."""
    return change(
        digest=lambda digest: {
            **digest,
            "files": {file: d for file, d in digest["files"].items() if not file.endswith(endings)},
        }
    )


def listing(name):
    return change(digest=lambda digest: {**digest, "files": {**digest["files"], name: "0" * 44}})


def append(name):
    def apply(variant):
        with (variant / name).open("ab") as file:
            file.write(b"\n")

    return apply


def link_out(name):
    """The same file or folder, but lying elsewhere."""

    def apply(variant):
        elsewhere = variant.parents[2] / "elsewhere"
        shutil.move(variant / name, elsewhere)
        (variant / name).symlink_to(elsewhere)

    return apply


def open_to_all(place):
    def apply(variant):
        path = place(variant)
        path.chmod(path.stat().st_mode | 0o002)

    return apply


def pipe_in_place_of_a_module(variant):
    (variant / "affiliation.py").unlink()
    os.mkfifo(variant / "affiliation.py")


SPOILS = {
    "changed module": (append("affiliation.py"), "not the file that was built"),
    "changed module below": (append("layers/__init__.py"), "not the file that was built"),
    "changed library": (
        lambda v: append(f"{metadata_of(v)['id']}.abi3.so")(v),
        "not the file that was built",
    ),
    "no digests": (change(digest={"algorithm": "sha256", "files": {}}), "lists no digest"),
    "no digest of a module": (without("affiliation.py"), "no digest of affiliation.py"),
    "no digest of a module below": (without("layers/__init__.py"), "no digest of layers/__init__.py"),
    "no digest of the library": (without(".so"), "no digest of .*abi3.so"),
    "unlisted module": (lambda v: (v / "torch.py").write_text(""), "no digest of torch.py"),
    "unlisted bytecode": (lambda v: (v / "layers.pyc").write_bytes(b""), "no digest of layers.pyc"),
    "other digests": (change(digest=lambda d: {**d, "algorithm": "md5"}), "sha256"),
    "digest of another type": (change(digest=lambda d: {**d, "files": {"__init__.py": 1}}), "sha256"),
    "no digest entry": (change(digest=None), "must be the metadata of a SAPA kernel"),
    "id of another module": (change(id="json"), "'json'"),
    "id of a module within": (change(id="sapa_hf.modeling"), "'sapa_hf.modeling'"),
    "id of another type": (change(id=7), "must be the metadata"),
    "id of another build": (change(id="_sapa_cpu_0000000"), "no digest of _sapa_cpu_0000000.abi3.so"),
    "not json": (lambda v: (v / "metadata.json").write_text("{"), "must be the metadata"),
    "a list": (lambda v: (v / "metadata.json").write_text("[]"), "must be the metadata"),
    "listed file outside": (listing("../../secret"), "out of the kernel's folder"),
    "listed absolute file": (listing("/etc/hostname"), "out of the kernel's folder"),
    "listed file missing": (listing("gone.py"), "gone.py is missing"),
    "pipe": (pipe_in_place_of_a_module, "affiliation.py is missing, or not a file"),
    "linked module": (link_out("affiliation.py"), "out of the kernel's folder"),
    "linked metadata": (link_out("metadata.json"), "out of the kernel's folder"),
    "linked folder": (link_out("layers"), "out of the kernel's folder"),
    "open variant": (open_to_all(lambda v: v), "written by every user"),
    "open folder below": (open_to_all(lambda v: v / "layers"), "written by every user"),
    "open module": (open_to_all(lambda v: v / "affiliation.py"), "written by every user"),
    "open metadata": (open_to_all(lambda v: v / "metadata.json"), "written by every user"),
    "open build folder": (open_to_all(lambda v: v.parent), "written by every user"),
    "open repository": (open_to_all(lambda v: v.parents[1]), "written by every user"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILS.values(), ids=SPOILS)
def test_what_was_not_built_so_is_refused_and_plain_pytorch_runs(variant, monkeypatch, spoil, message):
    monkeypatch.setattr(compiled_kernel, "_modules", {})
    spoil(variant)
    with pytest.raises((ValueError, OSError), match=message):
        load_local(variant)
    tensors = torch.randn(1, 8, 6, 4), torch.randn(1, 4, 3, 4), torch.randn(1, 4, 3, 5)
    with pytest.warns(UserWarning, match=message):
        output = sapa_upsample(*tensors, backend=str(variant))
    assert output.equal(sapa_upsample(*tensors, backend="plain"))


def test_a_module_that_bears_the_kernels_name_is_not_taken_for_it(variant, monkeypatch):
    name = metadata_of(variant)["id"]
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with pytest.raises(ValueError, match="is not a SAPA kernel"):
        load_local(variant)


def test_a_kernel_that_fails_to_load_leaves_nothing_behind(variant, monkeypatch):
    name = metadata_of(variant)["id"]
    for loaded in [m for m in sys.modules if m.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(
        torch.ops, "load_library", lambda path: (_ for _ in ()).throw(OSError("wrong ELF class"))
    )
    with pytest.raises(OSError, match="wrong ELF class"):
        load_local(variant)
    assert not [m for m in sys.modules if m.split(".")[0] == name]


PROBE = """
import hashlib, importlib._bootstrap_external as bootstrap, pathlib, sys, types
variant, mark, modeling = map(pathlib.Path, sys.argv[1:])
spy = f"open({str(mark)!r}, 'w').close()\\n"
for source in list(variant.rglob("*.py")):  # bytecode that looks fresh
    code, stat = compile(spy + source.read_text(), str(source), "exec"), source.stat()
    cached = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(bootstrap._code_to_timestamp_pyc(code, int(stat.st_mtime), stat.st_size))

def swapping(content):  # other files, as soon as one is checked
    digest = hashlib.sha256(content)
    for file in variant.rglob("*.py"):
        file.write_text(spy)
    for file in variant.rglob("*.so"):
        file.write_bytes(b"no library")
    return digest

sys.path.insert(0, str(modeling))
import kernel_folder, torch
kernel_folder.hashlib = types.SimpleNamespace(sha256=swapping)
kernel = kernel_folder.load_local(variant)
q, k, v = torch.randn(1, 8, 6, 4), torch.randn(1, 4, 3, 4), torch.randn(1, 4, 3, 5)
print("RAN", tuple(kernel.sapa_upsample(q, k, v).shape))
"""


@pytest.mark.slow
def test_what_was_checked_runs_whatever_lies_beside_it_or_comes_after(variant, tmp_path):
    mark, modeling = tmp_path / "mark", Path(compiled_kernel.__file__).parent
    command = [sys.executable, "-c", PROBE, str(variant), str(mark), str(modeling)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "RAN (1, 8, 6, 5)" in done.stdout, done.stderr
    assert list(variant.rglob("*.pyc")) and next(variant.glob("*.so")).read_text() == "no library"
    assert not mark.exists()
