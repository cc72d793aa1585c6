import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from sapa_hf import SAPA, sapa_upsample
from sapa_hf.modeling.affiliation_definition import affiliation_by_definition
from sapa_hf.modeling.affiliation_tiled import tiled_affiliation
from sapa_hf.modeling.affiliation_windowed import affiliation_weights, windowed_affiliation
from sapa_hf.modeling.window import nearest, window_centres

CASES = range(20)
FORMS = [sapa_upsample, affiliation_by_definition, tiled_affiliation, windowed_affiliation]


@pytest.fixture
def case(golden, request):
    """One golden case: its description and a reader of its tensors."""
    with safe_open(golden, "pt") as file:
        cases = json.loads(file.metadata()["cases"])
        assert len(cases) == len(CASES)
        prefix = f"case{request.param}."
        tensors = {k.removeprefix(prefix): file.get_tensor(k) for k in file.keys() if k.startswith(prefix)}  # noqa: SIM118
    return cases[request.param], tensors


def assert_equal(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", range(12), indirect=True)
def test_function_agrees_with_the_golden_vectors(case, form):
    description, tensors = case
    inputs = [tensors[name].requires_grad_() for name in ("query", "key", "value")]
    options = [description[name] for name in ("kernel_size", "border", "normalization")]
    output = form(*inputs, *options)
    output.backward(tensors["grad_output"])
    assert_equal(output, tensors["output"])
    assert_equal(affiliation_weights(*inputs[:2], *options), tensors["attention"])
    for name, given_ in zip(("query", "key", "value"), inputs, strict=True):
        assert_equal(given_.grad, tensors[f"grad_{name}"])


@pytest.mark.parametrize("case", range(12, 20), indirect=True)
def test_module_agrees_with_the_golden_vectors(case):
    description, tensors = case
    guide, feature = tensors["guide"].requires_grad_(), tensors["feature"].requires_grad_()
    upsampler = SAPA(
        description["guide_channels"],
        description["feature_channels"],
        similarity=description["variant"],
        kernel_size=description["kernel_size"],
        embedding_dim=max(1, description["embedding_dim"]),
        normalization=description["normalization"],
        border=description["border"],
    ).double()
    state = {k.removeprefix("param."): v for k, v in tensors.items() if k.startswith("param.")}
    upsampler.load_state_dict(state, strict=True)
    output = upsampler(guide, feature)
    output.backward(tensors["grad_output"])
    assert_equal(output, tensors["output"])
    assert_equal(guide.grad, tensors["grad_guide"])
    assert_equal(feature.grad, tensors["grad_feature"])


def plain(query, key, value, kernel_size, border):
    """The operator's definition as loops over pixels and taps, in the inputs' own dtype."""
    (batch, rows, columns, _), (height, width) = query.shape, key.shape[1:3]
    reach = kernel_size // 2
    output = value.new_zeros(batch, rows, columns, value.shape[-1])
    for b in range(batch):
        for i in range(rows):
            for j in range(columns):
                taps = [
                    (i * height // rows + n, j * width // columns + m)
                    for n in range(-reach, reach + 1)
                    for m in range(-reach, reach + 1)
                ]
                inside = [0 <= y < height and 0 <= x < width for y, x in taps]
                scores = torch.stack(
                    [
                        (query[b, i, j] * key[b, y, x]).sum() if ok else query.new_zeros(())
                        for (y, x), ok in zip(taps, inside, strict=True)
                    ]
                )
                if border == "mask":
                    scores = scores.masked_fill(~torch.tensor(inside), -torch.inf)
                weights = scores.softmax(0)
                for weight, (y, x), ok in zip(weights, taps, inside, strict=True):
                    if ok:
                        output[b, i, j] += weight * value[b, y, x]
    return output


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    more=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel_size=st.sampled_from([1, 3, 5, 7]),
    border=st.sampled_from(["zero", "mask"]),
    seed=st.integers(0, 2**16),
)
def test_any_shape_agrees_with_plain_loops(height, width, more, channels, kernel_size, border, seed):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    query = draw(1, height + more[0], width + more[1], channels[0])
    key, value = draw(1, height, width, channels[0]), draw(1, height, width, channels[1])
    expected = plain(query, key, value, kernel_size, border)
    assert_equal(sapa_upsample(query, key, value, kernel_size, border), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_error_is_at_most_twice_plain_torchs_in_the_same_dtype(dtype):
    inputs = [torch.randn(1, n, n, c, dtype=torch.float64).to(dtype) for n, c in ((12, 8), (6, 8), (6, 5))]
    exact = plain(*(x.double() for x in inputs), 5, "zero")
    allowed = 2 * (plain(*inputs, 5, "zero").double() - exact).abs().max()
    output = sapa_upsample(*inputs)
    assert output.dtype == dtype
    assert (output.double() - exact).abs().max() <= allowed


def test_autocast_does_not_reach_the_arithmetic():
    query, key, value = torch.randn(1, 8, 8, 16), torch.randn(1, 4, 4, 16), torch.randn(1, 4, 4, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = sapa_upsample(query.bfloat16(), key.bfloat16(), value)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, sapa_upsample(query.bfloat16(), key.bfloat16(), value))


def test_kernel_larger_than_the_map_sees_the_whole_map():
    query, key, value = torch.zeros(1, 4, 4, 2), torch.randn(1, 2, 2, 2), torch.randn(1, 2, 2, 3)
    output = sapa_upsample(query, key, value, kernel_size=11, border="mask")
    torch.testing.assert_close(output, value.mean((1, 2), keepdim=True).expand(1, 4, 4, 3))


@pytest.mark.parametrize(("guide", "feature"), [(g, f) for f in range(1, 12) for g in range(f, 3 * f + 2)])
def test_window_centres_are_exact_integers_and_cover_every_position(guide, feature):
    centres = window_centres(guide, feature).tolist()
    assert centres == [i * feature // guide for i in range(guide)]
    assert set(centres) == set(range(feature))
    repeated = nearest(torch.arange(feature).view(1, feature, 1, 1), (guide, 1))
    assert repeated.flatten().tolist() == centres


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query": torch.zeros(1, 8, 8, 5)}, ValueError, r"must agree.*\(1, 8, 8, 5\)"),
        ({"value": torch.zeros(1, 4, 5, 3)}, ValueError, r"must agree.*\(1, 4, 5, 3\)"),
        ({"key": torch.zeros(4, 4, 4)}, ValueError, "key must be channels-last"),
        ({"query": torch.zeros(1, 8, 8, 4, dtype=torch.int64)}, TypeError, "query must be a floating.*int64"),
        ({"value": [1.0]}, TypeError, "value must be a floating.*list"),
        ({"query": torch.zeros(1, 3, 8, 4)}, ValueError, "cannot shrink"),
        ({"key": torch.zeros(1, 4, 4, 4, device="meta")}, ValueError, "one device.*cpu, meta"),
        ({"kernel_size": 2}, ValueError, "odd"),
        ({"border": "edge"}, ValueError, "zero, mask"),
        ({"normalization": "none"}, ValueError, "softmax, relu"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_naming_both_sides(change, error, message):
    good = {
        "query": torch.zeros(1, 8, 8, 4),
        "key": torch.zeros(1, 4, 4, 4),
        "value": torch.zeros(1, 4, 4, 3),
    }
    with pytest.raises(error, match=message):
        sapa_upsample(**{**good, **change})
