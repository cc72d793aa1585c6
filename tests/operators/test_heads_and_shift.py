"""Heads, and windows that are moved inside the map: every form against loops over pixels in float64."""

import pytest
import torch

from sapa_hf.modeling import SAPA, build_upsampler, sapa_upsample
from sapa_hf.modeling.affiliation_windowed import affiliation_logits, affiliation_weights
from sapa_hf.modeling.distance_prior import tap_distances

SIZES = [  # (H, W), (H', W'), K
    ((5, 7), (10, 14), 5),
    ((3, 3), (6, 6), 3),
    ((9, 4), (13, 9), 3),
    ((8, 12), (8, 12), 7),
    ((7, 7), (21, 14), 7),
    ((4, 5), (4, 5), 1),
    ((17, 9), (40, 11), 9),
]
FORMS = ["definition", "tiled", "windowed"]


def maps(size, guide_size, kernel_size, heads):
    shapes = (2, *guide_size, heads, 3), (2, *size, heads, 3), (2, *size, heads, 4)
    tables = [(extent, kernel_size) for extent in guide_size]
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in (*shapes, *tables)]


def by_loops(query, key, value, rows, columns, kernel_size):
    """One window a pixel and head, begun at its centre less the reach, moved inside where it sticks out."""
    output = []
    for i in range(query.shape[1]):
        top = min(max(i * key.shape[1] // query.shape[1] - kernel_size // 2, 0), key.shape[1] - kernel_size)
        for j in range(query.shape[2]):
            left = j * key.shape[2] // query.shape[2] - kernel_size // 2
            left = min(max(left, 0), key.shape[2] - kernel_size)
            window = slice(None), slice(top, top + kernel_size), slice(left, left + kernel_size)
            logits = torch.einsum("bnd,byxnd->bnyx", query[:, i, j], key[window])
            logits = logits + rows[i][:, None] + columns[j]
            weights = logits.flatten(2).softmax(-1).view_as(logits)
            output.append(torch.einsum("bnyx,byxnc->bnc", weights, value[window]))
    return torch.stack(output, 1).unflatten(1, query.shape[1:3])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("size", "guide_size", "kernel_size"), SIZES)
def test_shifted_windows_are_those_of_the_loops(size, guide_size, kernel_size, form):
    inputs = maps(size, guide_size, kernel_size, 2)
    outputs = (
        sapa_upsample(*inputs[:3], kernel_size, "shift", backend=form, bias=tuple(inputs[3:])),
        by_loops(*inputs, kernel_size),
    )
    upstream = torch.randn_like(outputs[0])
    found, expected = ([out, *torch.autograd.grad(out, inputs, upstream)] for out in outputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("form", [*FORMS, "auto"])
@pytest.mark.parametrize("border", ["zero", "mask", "shift"])
def test_every_head_is_a_call_of_its_own(border, form):
    query, key, value, rows, columns = maps((5, 7), (11, 14), 3, 4)
    together = sapa_upsample(query, key, value, 3, border, backend=form, bias=(rows, columns))
    assert together.shape == (2, 11, 14, 4, 4)
    for head in range(4):
        alone = (x[..., head, :] for x in (query, key, value))
        alone = sapa_upsample(*alone, 3, border, backend="definition", bias=(rows, columns))
        torch.testing.assert_close(together[..., head, :], alone)


@pytest.mark.parametrize("form", FORMS)
def test_forms_agree_with_the_golden_vectors(heads_golden, form):
    names = "query", "key", "value", "rows", "columns"
    for case in heads_golden:
        inputs = [case[name].requires_grad_() for name in names]
        options = case["kernel_size"], case["border"]
        output = sapa_upsample(*inputs[:3], *options, backend=form, bias=tuple(inputs[3:]))
        grads = torch.autograd.grad(output, inputs, case["grad_output"])
        expected = [case[name] for name in ("output", *(f"grad_{name}" for name in names))]
        torch.testing.assert_close([output, *grads], expected, rtol=1e-12, atol=1e-12)


def test_weights_and_logits_are_given_by_head():
    query, key, value, rows, columns = maps((5, 7), (10, 14), 5, 2)
    weights = affiliation_weights(query, key, 5, "shift", bias=(rows, columns))
    assert weights.shape == (2, 10, 14, 2, 25)
    logits = affiliation_logits(query, key, 5, (rows, columns), "shift")
    torch.testing.assert_close(logits.softmax(-1), weights)
    by_corner = torch.einsum("bnt,btnc->bnc", weights[:, 0, 0], value[:, :5, :5].flatten(1, 2))
    output = sapa_upsample(query, key, value, 5, "shift", bias=(rows, columns))
    torch.testing.assert_close(by_corner, output[:, 0, 0])


def test_a_map_smaller_than_the_window_is_refused_saying_what_else():
    query, key, value, *_ = maps((5, 4), (10, 8), 5, 1)
    for form in [*FORMS, "auto"]:
        with pytest.raises(ValueError, match="at least kernel_size=5 .*got 4; .*'mask'"):
            sapa_upsample(query, key, value, 5, "shift", backend=form)


def test_heads_that_differ_are_refused():
    query, key, value, *_ = maps((5, 5), (10, 10), 5, 2)
    for wrong in (
        (query[:, :, :, :1], key, value),
        (query, key, value[:, :, :, :1]),
        (query[..., 0], key, value),
    ):
        with pytest.raises(ValueError, match="must agree.*heads"):
            sapa_upsample(*wrong)


@pytest.mark.parametrize("name", ["sapa-i", "sapa-b", "sapa-g", "carafe", "fade", "a2u", "gaussian"])
def test_upsamplers_with_windows_can_shift_them(name):
    upsampler = build_upsampler(name, 8, 8, border="shift").double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    guide = torch.randn(2, 8, 12, 14, dtype=torch.float64)
    feature = torch.randn(2, 8, 6, 7, dtype=torch.float64)
    kernels = upsampler.kernels(guide, feature)  # (2, 12, 14, K * K)
    size = round(kernels.shape[-1] ** 0.5)
    torch.testing.assert_close(kernels.sum(-1), torch.ones_like(kernels[..., 0]))
    corner = torch.einsum("bt,bct->bc", kernels[:, -1, -1], feature[:, :, -size:, -size:].flatten(2))
    if getattr(upsampler, "gate", None) is None or name == "sapa-g":
        torch.testing.assert_close(upsampler(guide, feature)[:, :, -1, -1], corner)


def test_prior_measures_from_the_shifted_taps():
    distances = tap_distances(10, 5, 3, "shift")
    assert distances[0].tolist() == [-0.25, -1.25, -2.25] and distances[9].tolist() == [2.25, 1.25, 0.25]
    assert distances[4].tolist() == tap_distances(10, 5, 3)[4].tolist()


@pytest.mark.parametrize("similarity", ["inner", "bilinear", "gated", "addition"])
def test_heads_of_a_sapa_weigh_their_channels_apart(similarity):
    module = SAPA(8, 8, similarity, embedding_dim=6 if similarity != "inner" else 64, heads=2)
    assert not module.reassembles
    guide, feature = torch.randn(2, 8, 8, 10), torch.randn(2, 8, 4, 5)
    kernels = module.kernels(guide, feature)  # (2, 8, 10, 2, 25)
    padded = torch.nn.functional.pad(feature, (2, 2, 2, 2)).unflatten(1, (2, 4))  # (2, 2, 4, 8, 9)
    window = padded[:, :, :, 2:7, 2:7].flatten(3)  # of pixel (4, 5), around position (2, 2)
    expected = torch.einsum("bnt,bnct->bnc", kernels[:, 4, 5], window)
    torch.testing.assert_close(module(guide, feature)[:, :, 4, 5], expected.flatten(1))
    with pytest.raises(TypeError, match="takes no value map"):
        module(guide, feature, feature)


def test_one_head_is_the_papers_sapa():
    torch.manual_seed(0)
    module = SAPA(6, 6)
    torch.manual_seed(0)
    other = SAPA(6, 6, heads=1)
    maps = torch.randn(1, 6, 8, 8), torch.randn(1, 6, 4, 4)
    assert torch.equal(module(*maps), other(*maps)) and module.reassembles


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="heads must divide.*heads=4 for 8 and 6"):
        SAPA(8, 8, embedding_dim=6, heads=4)
    with pytest.raises(ValueError, match="heads=3 for 8"):
        SAPA(8, 8, "inner", heads=3)


def test_exported_with_any_size_it_gives_the_same():
    module = SAPA(6, 6, embedding_dim=4, border="shift", start="bilinear", heads=2).eval()
    height, width = (torch.export.Dim(name, min=6, max=40) for name in ("height", "width"))
    example = torch.randn(1, 6, 16, 20), torch.randn(1, 6, 8, 10)
    dynamic = {2: 2 * height, 3: 2 * width}, {2: height, 3: width}
    program = torch.export.export(module, example, dynamic_shapes=dynamic).module()
    for size in ((8, 10), (13, 7)):
        guide, feature = torch.randn(1, 6, 2 * size[0], 2 * size[1]), torch.randn(1, 6, *size)
        torch.testing.assert_close(program(guide, feature), module(guide, feature))
