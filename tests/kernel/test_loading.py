"""Where a kernel comes from, who may ask for it, and what happens when it cannot be had."""

import os
import shutil
from pathlib import Path

import interpreter
import pytest
import torch

from sapa_hf.kernels import __main__ as command_line
from sapa_hf.kernels import builder, local
from sapa_hf.modeling import backend, compiled_kernel, sapa_upsample, set_backend, use_backend

ROOT = Path(__file__).parents[2]
INPUTS = "q, k, v = torch.randn(1, 8, 6, 4), torch.randn(1, 4, 3, 4), torch.randn(1, 4, 3, 5)\n"


def inputs():
    return torch.randn(1, 8, 6, 4), torch.randn(1, 4, 3, 4), torch.randn(1, 4, 3, 5)


def run_python(code, **environment):
    """A fresh process, as loading is once a process."""
    inherited = {name: value for name, value in os.environ.items() if name != "SAPA_BACKEND"}
    program = "import logging, torch\nlogging.basicConfig(level=20)\n" + INPUTS + code
    done = interpreter.run_python("-c", program, env=inherited | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def fresh(monkeypatch):
    """No choice made and nothing loaded."""
    monkeypatch.setattr(compiled_kernel, "_modules", {})
    monkeypatch.setattr(backend, "_backend", None)
    monkeypatch.setattr(compiled_kernel, "_told", set())
    monkeypatch.delenv("SAPA_BACKEND", raising=False)
    monkeypatch.delenv("LOCAL_KERNELS", raising=False)


@pytest.fixture
def remote_code(tmp_path):
    """The modeling files as a package of their own, as they lie in a model's folder on the Hub."""
    (tmp_path / "pack").mkdir()
    for file in (ROOT / "modeling").glob("*.py"):
        shutil.copy(file, tmp_path / "pack")
    (tmp_path / "pack" / "__init__.py").write_text("")
    return tmp_path


def test_local_build_is_taken_and_said_once(repository, fresh, caplog):
    caplog.set_level("INFO")
    for _ in range(3):
        tensors = inputs()
        expected = sapa_upsample(*tensors, backend="plain")
        torch.testing.assert_close(sapa_upsample(*tensors), expected)
    said = [r.message for r in caplog.records if "SAPA runs" in r.message]
    assert len(said) == 1 and str(repository) in said[0]


def test_environment_argument_and_context_choose(repository, fresh, monkeypatch):
    tensors = [t.requires_grad_() for t in inputs()]

    def runs_kernel(**options):
        return "sapa" in type(sapa_upsample(*tensors, **options).grad_fn).__name__

    assert runs_kernel() and runs_kernel(backend=str(repository))
    assert not runs_kernel(backend="plain")
    monkeypatch.setenv("SAPA_BACKEND", "plain")
    assert not runs_kernel() and runs_kernel(backend="auto")
    with use_backend("auto"):
        assert runs_kernel()
        with use_backend("plain"):
            assert not runs_kernel()
        assert runs_kernel()
    assert not runs_kernel()


def test_missing_kernel_warns_once_and_computes(fresh, tmp_path):
    tensors = inputs()
    with pytest.warns(UserWarning, match="plain PyTorch runs") as record:
        for _ in range(3):
            output = sapa_upsample(*tensors, backend=str(tmp_path))
    assert len(record) == 1
    assert output.equal(sapa_upsample(*tensors, backend="plain"))


@pytest.mark.parametrize(
    "choice", ["owner/sapa", "owner/sapa@main", "owner/sapa@v1", "owner/sapa@" + "a" * 39]
)
def test_hub_without_a_full_commit_is_refused(fresh, choice):
    with pytest.raises(ValueError, match="40 hexadecimal"):
        sapa_upsample(*inputs(), backend=choice)
    with pytest.raises(ValueError, match="40 hexadecimal"):
        set_backend(choice)


def test_hub_with_a_commit_falls_back_when_it_cannot_be_reached(fresh):
    with pytest.warns(UserWarning, match="plain PyTorch runs"):
        output = sapa_upsample(*inputs(), backend="nobody-here/sapa@" + "a" * 40)
    assert output.shape == (1, 8, 6, 5)


def test_build_of_other_sources_is_passed_over(repository, monkeypatch, caplog):
    monkeypatch.setattr(local, "source_digest", lambda sources: "0000000")
    monkeypatch.setattr(local, "cache_folder", lambda: Path("/nonexistent"))
    assert local.local_build() is None
    assert "renews it" in caplog.text


def test_other_normalizations_and_dtypes_take_plain_pytorch(repository, fresh):
    tensors = [t.requires_grad_() for t in inputs()]
    for normalization in ("relu", "sigmoid", "softplus"):
        output = sapa_upsample(*tensors, normalization=normalization)
        assert "sapa" not in type(output.grad_fn).__name__
        assert output.equal(sapa_upsample(*tensors, normalization=normalization, backend="plain"))


def test_export_takes_the_reference(repository, fresh):
    class Upsample(torch.nn.Module):
        def forward(self, query, key, value):
            return sapa_upsample(query, key, value)

    tensors = inputs()
    program = torch.export.export(Upsample(), tensors)
    assert not [n for n in program.graph.nodes if "_sapa_" in str(n.target)]
    torch.testing.assert_close(program.module()(*tensors), sapa_upsample(*tensors))


@pytest.mark.slow
def test_compiles_whole_with_the_kernel_loaded_while_tracing(repository):
    code = """
from sapa_hf.modeling import sapa_upsample
compiled = torch.compile(sapa_upsample, fullgraph=True, backend="aot_eager")
q.requires_grad_()
output = compiled(q, k, v)
torch.testing.assert_close(output, sapa_upsample(q, k, v, backend="plain"))
output.sum().backward()
print("SAME", q.grad.shape)
"""
    said = run_python(code)
    assert "SAME" in said and "SAPA runs the compiled kernel" in said


def test_threads_may_share_the_first_use(repository):
    code = f"""
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from sapa_hf.modeling import sapa_upsample
sys.setswitchinterval(1e-5)
start = threading.Barrier(4)

def use(backend):
    start.wait()
    return sapa_upsample(q, k, v, backend=backend)

with ThreadPoolExecutor(4) as pool:
    outputs = list(pool.map(use, ["auto", "auto", {str(repository)!r}, {str(repository)!r}]))
print("SAME", all(outputs[0].equal(output) for output in outputs))
"""
    said = run_python(code)
    assert "SAME True" in said and "plain PyTorch" not in said


def test_kernels_package_loads_the_same_files(repository):
    code = f"""
from pathlib import Path
from kernels import get_kernel, get_local_kernel
first = get_local_kernel(Path({str(repository)!r}))
second = get_kernel("sapa-hf/sapa", version=1)
assert first is second, "loaded twice"
from sapa_hf.modeling import kernel_folder, sapa_upsample
third = kernel_folder.load_local(Path({str(repository)!r}))
assert third is first, "loaded again"
torch.testing.assert_close(first.sapa_upsample(q, k, v), sapa_upsample(q, k, v, backend="plain"))
print(first.__name__, first.__all__)
"""
    assert "sapa_upsample" in run_python(code, LOCAL_KERNELS=f"sapa-hf/sapa={repository}")


def test_kernels_package_after_our_own_loader(repository):
    code = f"""
from pathlib import Path
from sapa_hf.modeling import sapa_upsample
ours = sapa_upsample(q, k, v)
from kernels import get_local_kernel
theirs = get_local_kernel(Path({str(repository)!r})).sapa_upsample(q, k, v)
print("EQUAL", ours.equal(theirs))
"""
    assert "EQUAL True" in run_python(code)


def test_kernelize_swaps_a_layer(repository):
    code = f"""
from pathlib import Path
from torch import nn
from kernels import LocalLayerRepository, Mode, kernelize, use_kernel_forward_from_hub, use_kernel_mapping
from sapa_hf.modeling import sapa_upsample

@use_kernel_forward_from_hub("SapaAffiliation")
class Affiliation(nn.Module):
    def forward(self, query, key, value, kernel_size=5, border="zero", normalization="softmax", bias=None):
        return sapa_upsample(query, key, value, kernel_size, border, normalization, "plain", bias)

model = nn.Sequential()
model.add_module("affiliation", Affiliation())
expected = model.affiliation(q, k, v)
layer = LocalLayerRepository(Path({str(repository)!r}), layer_name="SapaAffiliation")
with use_kernel_mapping({{"SapaAffiliation": {{"cpu": layer}}}}):
    model = kernelize(model, mode=Mode.TRAINING | Mode.TORCH_COMPILE, device="cpu")
q.requires_grad_()
output = model.affiliation(q, k, v)
assert "sapa" in type(output.grad_fn).__name__, output.grad_fn
torch.testing.assert_close(output, expected)
output.sum().backward()
compiled = torch.compile(model.affiliation, fullgraph=True, backend="aot_eager")
torch.testing.assert_close(compiled(q, k, v), expected)
print("SWAPPED")
"""
    assert "SWAPPED" in run_python(code)


@pytest.mark.parametrize("stand_in", ["None", "types.ModuleType('kernels')"], ids=["missing", "too old"])
def test_works_with_kernels_missing_or_too_old(repository, remote_code, stand_in):
    code = f"""
import sys, types, warnings
sys.modules["kernels"] = {stand_in}
from pack.affiliation import sapa_upsample
q.requires_grad_()
assert "sapa" in type(sapa_upsample(q, k, v, backend={str(repository)!r}).grad_fn).__name__
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sapa_upsample(q, k, v, backend="owner/sapa@" + "a" * 40)
print("WARNED", [str(w.message) for w in caught if "plain PyTorch" in str(w.message)])
"""
    assert "WARNED []" not in run_python(code, PYTHONPATH=str(remote_code))


def test_command_line_says_where_and_what_is_missing(repository, capsys, monkeypatch, tmp_path):
    assert command_line.main(["where"]) == 0
    assert str(repository) in capsys.readouterr().out
    monkeypatch.setattr(builder, "find_compiler", lambda: None)
    assert command_line.main(["build", "--output", str(tmp_path), "--cuda", "no"]) == 1
    assert "install g++" in capsys.readouterr().err
    assert command_line.main(["build", "--output", str(tmp_path), "--compiler", "false", "--cuda", "no"]) == 1
    assert not list(tmp_path.glob("build/torch-*"))


@pytest.mark.parametrize("wrong", [["--compiler", "/nonexistent/g++"], ["--output", "{file}/kernel"]])
def test_command_line_names_a_wrong_argument_in_one_line(capsys, tmp_path, wrong):
    file = tmp_path / "file"
    file.write_text("")
    arguments = [argument.format(file=file) for argument in wrong]
    with pytest.raises(SystemExit) as end:
        command_line.main(["build", "--output", str(tmp_path), *arguments, "--cuda", "no"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert arguments[1].removesuffix("/kernel") in line


def test_cuda_is_compiled_where_torch_has_it_or_when_asked(monkeypatch, tmp_path, capsys):
    built = []
    monkeypatch.setattr(command_line, "build", lambda backend, *others: built.append(backend))
    monkeypatch.setattr(command_line, "find_nvcc", lambda: "nvcc")
    for cuda, asked, expected in (
        (None, "auto", ["cpu"]),
        ("12.8", "auto", ["cpu"]),
        ("13.0", "auto", ["cpu", "cuda"]),
        ("13.0", "no", ["cpu"]),
        (None, "yes", ["cpu", "cuda"]),
    ):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        built.clear()
        assert command_line.main(["build", "--output", str(tmp_path), "--cuda", asked]) == 0
        assert built == expected
        assert ("No CUDA kernel" in capsys.readouterr().out) == (expected == ["cpu"])


def test_remote_code_folder_runs_without_sapa_hf(remote_code):
    code = """
import sys
sys.modules["sapa_hf"] = None
from pack.affiliation import sapa_upsample
print('RAN', sapa_upsample(q, k, v).shape)
"""
    said = run_python(code, PYTHONPATH=str(remote_code))
    assert "RAN" in said and "is not installed" in said
