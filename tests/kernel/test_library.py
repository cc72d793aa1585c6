"""The compiled files: promised symbols only, both devices registered, code for the promised GPUs."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from interpreter import run_python

from sapa_hf.kernels import builder, compilers, sources
from sapa_hf.modeling.kernel_folder import VARIANTS


@pytest.fixture(scope="session")
def cuda_variant(repository):
    """The CUDA variant of the present sources; nvcc takes minutes to compile it, so no test does."""
    folder = repository / "build" / VARIANTS["cuda"]
    file, digest = folder / "metadata.json", sources.source_digest(sources.source_folder())
    if not file.is_file() or not json.loads(file.read_text())["id"].endswith(digest):
        pytest.skip("no CUDA kernel of these sources is built: `python -m sapa_hf.kernels build --cuda yes`")
    return folder


def library_of(variant):
    (library,) = variant.glob("*.abi3.so")
    return library


def check_symbols(variant):
    """Only the stable C interface of torch may be imported: no C++ symbol of it."""
    if shutil.which("nm") is None:
        pytest.skip("nm was not found")
    command = ["nm", "-D", "-C", "--undefined-only", str(library_of(variant))]
    symbols = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "aoti_torch_" in symbols
    foreign = [s for s in symbols.splitlines() if any(n in s for n in ("c10::", "at::", "torch::", " Py"))]
    assert not foreign


def test_cpu_library_imports_the_stable_interface_only(repository):
    folder = repository / "build" / VARIANTS["cpu"]
    if not folder.is_dir():
        pytest.skip("this torch has CUDA: only the CUDA variant is built")
    check_symbols(folder)


@pytest.mark.slow
def test_cuda_library_imports_the_stable_interface_only(cuda_variant):
    check_symbols(cuda_variant)


@pytest.mark.slow
def test_cuda_library_registers_both_devices_on_a_machine_without_gpu(cuda_variant):
    code = f"""
import torch
from pathlib import Path
from sapa_hf.modeling.kernel_folder import load_local
module = load_local(Path({str(cuda_variant)!r}))
for operator in ("forward", "backward"):
    for key in ("CUDA", "CPU"):
        name = module.__name__ + "::" + operator
        assert torch._C._dispatch_has_kernel_for_dispatch_key(name, key), (name, key)
q, k, v = torch.randn(1, 8, 8, 4), torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 5)
print("SHAPE", tuple(module.sapa_upsample(q, k, v).shape))
"""
    done = run_python("-c", code)
    assert "SHAPE (1, 8, 8, 5)" in done.stdout, done.stderr


@pytest.mark.slow
def test_cuda_library_holds_code_for_the_promised_gpus(cuda_variant):
    nvcc = compilers.find_nvcc()
    tool = nvcc and compilers.cuda_folder(nvcc) / "bin" / "cuobjdump"
    if not tool or not Path(tool).is_file():
        pytest.skip("cuobjdump was not found")

    def listed(kind):
        command = [str(tool), kind, str(library_of(cuda_variant))]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    machine_code, portable_code = listed("--list-elf"), listed("--list-ptx")
    assert "sm_80" in machine_code and "sm_90" in machine_code and "sm_90" in portable_code


def test_metadata_names_the_library_and_every_file(repository):
    kernels = pytest.importorskip("kernels._rust")
    for file in repository.glob("build/torch-*/metadata.json"):
        metadata = kernels.Metadata.read_from_file(file)
        names = set(metadata.digest.files)
        assert f"{metadata.id}.abi3.so" in names and {"__init__.py", "_ops.py", "layers/__init__.py"} <= names
        assert str(metadata.name) == "sapa" and metadata.license == "Apache-2.0"


def test_build_settings_name_every_source():
    kernels = pytest.importorskip("kernels._rust")
    folder = sources.source_folder()
    kernels.Build.open(folder)
    settings = builder.tomllib.loads((folder / "build.toml").read_text())
    for backend in ("cpu", "cuda"):
        sections = [s for s in settings["kernel"].values() if s["backend"] == backend]
        listed = [file for section in sections for file in section["src"]]
        folders = ("sapa_cpu", "sapa_cuda") if backend == "cuda" else ("sapa_cpu",)
        present = {f.relative_to(folder).as_posix() for name in folders for f in (folder / name).iterdir()}
        assert set(listed) == present and len(listed) == len(set(listed))
