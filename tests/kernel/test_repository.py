"""The kernel as a repository of the Hub: what is assembled, what it is checked for, what is not uploaded."""

import json
import re
import shutil
import subprocess

import pytest
from kernels._rust import Digest, DigestAlgorithm, Metadata

from sapa_hf.kernels import abi, check
from sapa_hf.kernels.abi import machine_needs
from sapa_hf.kernels.check import check_repository
from sapa_hf.kernels.compilers import find_compiler
from sapa_hf.kernels.repository import assemble_repository
from sapa_hf.kernels.upload import push_repository, refuse_upload, version_branch
from sapa_hf.modeling.kernel_folder import find_variant


@pytest.fixture(scope="module")
def assembled(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "sapa"
    return folder, assemble_repository(repository, folder, "someone/sapa")


@pytest.fixture(scope="module")
def computed(assembled):
    """What the kernel gives in an interpreter of its own, run once for all tests."""
    found, run_alone = {}, check._run_alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "_run_alone", lambda *inputs: found.update(run_alone(*inputs)) or found)
        check_repository(assembled[0])
    return found


@pytest.fixture
def copied(assembled, tmp_path):
    return shutil.copytree(assembled[0], tmp_path / "copied")


def variant_of(folder):
    """The variant that this machine runs; where nvcc is, the suite builds one for CUDA too."""
    return find_variant(folder)


def compiled(folder, code, *options):
    """A small library of C code."""
    compiler = find_compiler()
    if compiler is None or shutil.which("readelf") is None:
        pytest.skip("there is no C++ compiler, or no readelf")
    source, library = folder / "small.cpp", folder / "small.so"
    source.write_text(code)
    command = [compiler, "-x", "c++", "-shared", "-fPIC", "-O0", str(source), "-o", str(library), *options]
    subprocess.run(command, check=True, capture_output=True)
    return library


def test_the_folder_holds_what_the_hub_is_to_hold_and_nothing_else(assembled):
    folder, _ = assembled
    expected = {"README.md", "benchmarks/benchmark.py", "benchmarks/baseline.py"}
    for variant in (folder / "build").iterdir():
        metadata = Metadata.read_from_file(variant / "metadata.json")
        metadata.digest.validate(Digest.hash_variant(DigestAlgorithm.SHA256, variant))
        expected |= {f"build/{variant.name}/{name}" for name in ("metadata.json", *metadata.digest.files)}
        assert version_branch(folder) == f"v{metadata.version}" == "v1"
        assert set(json.loads((variant / "metadata.json").read_text())["sapa-hf"]) == {"version", "commit"}
    assert expected == {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_the_card_is_filled_and_names_no_file_that_is_not_there(assembled):
    folder, needs = assembled
    card = (folder / "README.md").read_text()
    assert 'get_kernel("someone/sapa", version=1' in card and "`layers.SapaAffiliation`" in card
    assert "{{" not in card and "{%" not in card and "license: apache-2.0" in card
    assert ("For one machine" in card) == bool(needs)
    named = re.findall(r"`([\w./-]+\.(?:py|md|toml))`", card)
    assert not [name for name in named if not (folder / name).exists()]


@pytest.mark.slow
def test_it_runs_where_only_torch_and_kernels_are(assembled, computed, monkeypatch):
    monkeypatch.setattr(check, "_run_alone", lambda *_: computed)
    assert check_repository(assembled[0]) < 1e-4
    assert not list(assembled[0].rglob("*.pyc"))


@pytest.mark.slow
def test_a_kernel_that_needs_the_project_fails_the_check(copied):
    with (variant_of(copied) / "affiliation.py").open("a") as file:
        file.write("\nimport sapa_hf\n")
    with pytest.raises(RuntimeError, match="does not load by itself"):
        check_repository(copied)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["output", "query", "key", "value"])
@pytest.mark.parametrize("wrong", [1.01, float("nan")])
def test_a_kernel_that_computes_something_else_fails_the_check(computed, monkeypatch, name, wrong):
    monkeypatch.setattr(check, "_run_alone", lambda *_: computed | {name: computed[name] * wrong})
    with pytest.raises(RuntimeError, match=f"the kernel's {name} differs from the definition"):
        check_repository(None)


def test_a_file_that_was_changed_is_neither_assembled_nor_sent(copied, tmp_path, monkeypatch):
    (variant_of(copied) / "affiliation.py").write_text("changed = True\n")
    with pytest.raises(ValueError, match="not the file that was built"):
        assemble_repository(copied, tmp_path / "again", "someone/sapa")
    assert not (tmp_path / "again").exists()
    monkeypatch.setattr("sapa_hf.kernels.upload.refuse_upload", lambda variant: None)
    monkeypatch.setattr("sapa_hf.kernels.upload.HfApi", lambda: pytest.fail("something was sent"))
    with pytest.raises(ValueError, match="not the file that was built"):
        push_repository(copied, "someone/sapa")


@pytest.mark.parametrize("repo_id", ["sapa", "a/b/c", "../sapa", ""])
def test_a_name_that_is_none_on_the_hub_is_refused(repository, tmp_path, repo_id):
    with pytest.raises(ValueError, match="OWNER/NAME"):
        assemble_repository(repository, tmp_path / "new", repo_id)


def test_a_taken_folder_and_a_folder_without_a_build_are_refused(repository, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        assemble_repository(repository, tmp_path, "someone/sapa")
    with pytest.raises(FileNotFoundError, match="no compiled kernel"):
        assemble_repository(tmp_path, tmp_path / "new", "someone/sapa")


def test_a_build_for_this_machine_stays_here(copied, monkeypatch):
    monkeypatch.setattr("sapa_hf.kernels.upload.machine_needs", lambda library: ["exp@GLIBC_2.29"])
    with pytest.raises(ValueError, match="for this machine: it needs exp@GLIBC_2.29"):
        push_repository(copied, "someone/sapa")


def test_a_build_of_sources_that_nobody_else_has_stays_here(copied, monkeypatch):
    monkeypatch.setattr("sapa_hf.kernels.upload.machine_needs", lambda library: [])
    file = variant_of(copied) / "metadata.json"
    changed = json.loads(file.read_text()) | {"sapa-hf": {"version": "0", "commit": "a" * 40 + "-dirty"}}
    file.write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="differ from commit"):
        refuse_upload(file.parent)


@pytest.mark.parametrize("options", [[], ["-s"]], ids=["with symbols", "stripped"])
def test_new_symbols_are_found_whether_or_not_a_library_is_stripped(tmp_path, options):
    code = """
#include <stdlib.h>
extern "C" void newer(void);
__asm__(".symver newer, qsort@GLIBC_2.2.5");
extern "C" void call() { newer(); }
"""
    assert machine_needs(compiled(tmp_path, code, *options)) == []
    later = 'extern "C" int __libc_single_threaded; extern "C" int call() { return __libc_single_threaded; }'
    assert machine_needs(compiled(tmp_path, later, *options)) == ["__libc_single_threaded@GLIBC_2.32"]


@pytest.mark.parametrize(
    "name", ["PyList_New", "_ZN3c105ErrorC1Ev", "_ZN2at6detail5emptyEv", "somebody_elses_function"]
)
def test_symbols_of_python_or_of_torchs_own_classes_are_found(tmp_path, name):
    code = f'extern "C" void {name}(); extern "C" void call() {{ {name}(); }}'
    assert machine_needs(compiled(tmp_path, code)) == [name]


def test_the_stable_interface_of_torch_is_no_need(tmp_path):
    code = 'extern "C" void aoti_torch_get_dim(); extern "C" void call() { aoti_torch_get_dim(); }'
    assert machine_needs(compiled(tmp_path, code)) == []


def test_without_readelf_nothing_is_claimed(repository, monkeypatch, tmp_path):
    monkeypatch.setattr(abi.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="install binutils"):
        assemble_repository(repository, tmp_path / "new", "someone/sapa")
    assert not (tmp_path / "new").exists()


def test_what_is_no_library_is_refused(tmp_path):
    (tmp_path / "text.so").write_text("text")
    with pytest.raises(ValueError, match="shared library"):
        machine_needs(tmp_path / "text.so")
