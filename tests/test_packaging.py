"""What is built from the checkout holds everything, and works without it."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {"sapa_hf": "sapa_hf", "sapa_hf.modeling": "modeling", "sapa_hf.scripts": "scripts"}
SOURCES["sapa_hf.model_cards"] = "model_cards"
KERNEL = "sapa_hf.kernel_sources"  # no code of ours to import: C++, CUDA and the Hub's folders
NEEDED = [*SOURCES.values(), "kernel", "pyproject.toml", "README.md", "LICENSE"]


def package_folders():
    """Package name -> folder, of every folder with an __init__.py."""
    return {
        ".".join([name, *file.parent.relative_to(ROOT / source).parts]): file.parent
        for name, source in SOURCES.items()
        for file in sorted((ROOT / source).rglob("__init__.py"))
    }


def kernel_sources():
    """What compiling the kernel needs, relative to its folder."""
    folders = [ROOT / "kernel" / name for name in ("sapa_cpu", "sapa_cuda", "torch-ext")]
    files = [ROOT / "kernel" / "build.toml", *(file for folder in folders for file in folder.rglob("*"))]
    return {str(f.relative_to(ROOT / "kernel")) for f in files if f.is_file() and f.suffix != ".pyc"}


def test_every_package_folder_is_listed():
    tomllib = pytest.importorskip("tomllib", reason="reading pyproject.toml needs Python 3.11")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["setuptools"]["packages"] == sorted([*package_folders(), KERNEL])


def test_every_folder_of_the_library_is_a_package():
    folders = {file.parent for file in (ROOT / "sapa_hf").rglob("*.py")}
    assert folders <= set(package_folders().values())


def run(*command, cwd):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {"HF_HUB_OFFLINE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A source distribution, and the wheel built from it, of a copy of the checkout."""
    pytest.importorskip("build", reason="building needs the package `build`, of the extra `test`")
    copy = tmp_path_factory.mktemp("checkout") / "project"
    copy.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
        else:
            shutil.copy(ROOT / name, copy)
    run(sys.executable, "-I", "-m", "build", "--no-isolation", copy, "--outdir", copy.parent, cwd=copy.parent)
    (sdist,), (wheel,) = copy.parent.glob("*.tar.gz"), copy.parent.glob("*.whl")
    shutil.rmtree(copy)
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Where sdist and wheel are installed, each alone."""
    targets = []
    for archive in built:
        target = tmp_path_factory.mktemp("installed")
        pip = (sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
        run(*pip, "--no-compile", "--target", target, archive, cwd=target.parent)
        targets.append(target)
    return targets


def names(target):
    return {str(path.relative_to(target)) for path in (target / "sapa_hf").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_wheel_holds_every_file_and_nothing_compiled(built):
    with zipfile.ZipFile(built[1]) as wheel:
        found = {name for name in wheel.namelist() if name.startswith("sapa_hf/")}
    needed = {
        "/".join([*package.split("."), str(file.relative_to(folder))])
        for package, folder in package_folders().items()
        for file in [*folder.glob("*"), *folder.glob("recipes/*")]
        if file.suffix in (".py", ".json", ".md", ".yaml")
    }
    needed |= {f"sapa_hf/kernel_sources/{name}" for name in kernel_sources()}
    assert needed <= found
    sources = {".cpp", ".cu", ".cuh", ".h", ".toml", ""}  # the kernel's; its LICENSE has no suffix
    assert {Path(name).suffix for name in found} <= {".py", ".json", ".md", ".yaml"} | sources


@pytest.mark.slow
def test_the_sdist_carries_licence_and_readme(built):
    with tarfile.open(built[0]) as sdist:
        found = {Path(name).name for name in sdist.getnames() if len(Path(name).parts) == 2}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= found


@pytest.mark.slow
def test_sdist_and_wheel_install_the_same_files(installed):
    from_sdist, from_wheel = installed
    assert names(from_sdist) == names(from_wheel) != set()


@pytest.mark.slow
def test_the_installed_package_works_away_from_the_checkout(installed, tmp_path):
    run(sys.executable, "-I", Path(__file__).with_name("installed_session.py"), installed[1], cwd=tmp_path)
