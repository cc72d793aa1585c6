"""Which implementation of the operator runs, and who decides."""

import pytest
import torch

from sapa_hf.modeling import backend as chooser
from sapa_hf.modeling import sapa_upsample, set_backend, use_backend

NAMES = ["definition", "tiled", "windowed"]
INPUTS = [
    torch.randn(1, *shape, generator=torch.Generator().manual_seed(0)) for shape in ((7, 9, 4), (3, 4, 4))
]
INPUTS.append(torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(1)))


@pytest.fixture
def ran(monkeypatch):
    """The names of the implementations that have run."""
    names = []

    def noted(name, function):
        return lambda *arguments: names.append(name) or function(*arguments)

    noting = {name: noted(name, function) for name, function in chooser.IMPLEMENTATIONS.items()}
    monkeypatch.setattr(chooser, "IMPLEMENTATIONS", noting)
    monkeypatch.setattr(chooser, "_backend", None)
    monkeypatch.delenv("SAPA_BACKEND", raising=False)
    return names


@pytest.mark.parametrize("name", NAMES)
def test_a_named_implementation_runs_and_computes_the_definition(ran, name):
    output = sapa_upsample(*INPUTS, backend=name)
    torch.testing.assert_close(output, sapa_upsample(*INPUTS, backend="definition"))
    assert ran == [name, "definition"]


def test_argument_goes_before_block_before_process_before_environment(ran, monkeypatch):
    monkeypatch.setenv("SAPA_BACKEND", "windowed")
    sapa_upsample(*INPUTS)
    set_backend("tiled")
    sapa_upsample(*INPUTS)
    with use_backend("definition"):
        sapa_upsample(*INPUTS)
        sapa_upsample(*INPUTS, backend="windowed")
    sapa_upsample(*INPUTS)
    set_backend(None)
    sapa_upsample(*INPUTS)
    assert ran == ["windowed", "tiled", "definition", "windowed", "tiled", "windowed"]


@pytest.mark.parametrize("name", NAMES)
def test_a_named_implementation_is_exported_as_named(ran, name):
    class Upsample(torch.nn.Module):
        def forward(self, query, key, value):
            return sapa_upsample(query, key, value, backend=name)

    program = torch.export.export(Upsample(), tuple(INPUTS), strict=False)
    assert set(ran) == {name}
    torch.testing.assert_close(program.module()(*INPUTS), sapa_upsample(*INPUTS, backend="definition"))


@pytest.mark.parametrize("name", ["reference", "Tiled", "", "owner/sapa", "owner/sapa@main", "sapa"])
def test_an_unknown_backend_is_refused_naming_those_there_are(ran, monkeypatch, name):
    message = '"auto", "plain", "definition", "tiled", "windowed", a path.*40 hexadecimal'
    with pytest.raises(ValueError, match=message):
        sapa_upsample(*INPUTS, backend=name)
    with pytest.raises(ValueError, match=message):
        set_backend(name)
    if name:
        monkeypatch.setenv("SAPA_BACKEND", name)
        with pytest.raises(ValueError, match=message):
            sapa_upsample(*INPUTS)


def test_a_backend_of_another_type_is_refused(ran):
    for wrong in (5, b"tiled"):
        with pytest.raises(TypeError, match="backend must be a string"):
            sapa_upsample(*INPUTS, backend=wrong)


def test_a_path_is_never_read_as_a_kernel_on_the_hub(ran):
    for path in ("./sapa@" + "a" * 40, "../sapa@" + "a" * 40):
        with pytest.warns(UserWarning, match="holds no build"):
            output = sapa_upsample(*INPUTS, backend=path)
        assert output.shape == (1, 7, 9, 5)
