"""Values of both passes against golden vectors and plain torch, on every path, dtype, size and border."""

import json
import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import PLAIN_ERROR, check_errors, random_inputs, with_gradients
from safetensors import safe_open

SIZES = [  # batch, (H, W), (H', W'), d, C, K
    (2, (5, 7), (10, 14), 6, 9, 5),
    (1, (16, 16), (32, 32), 64, 96, 5),
    (1, (9, 33), (18, 66), 16, 70, 5),
    (2, (4, 19), (4, 19), 3, 1, 3),
    (1, (3, 4), (9, 12), 8, 33, 3),
    (1, (5, 3), (20, 12), 5, 130, 7),
    (1, (11, 13), (21, 22), 7, 17, 5),
    (1, (13, 6), (22, 6), 33, 64, 9),
    (1, (1, 1), (2, 2), 8, 4, 5),
    (2, (1, 1), (1, 1), 1, 1, 7),
    (1, (2, 3), (5, 7), 4, 20, 1),
    (1, (17, 2), (34, 4), 20, 48, 11),
    (2, (6, 5), (12, 15), 16, 32, 7),
    (1, (5, 6), (15, 18), 24, 40, 3),
    (1, (9, 7), (18, 14), 136, 264, 5),
]
PATHS = ["avx512", "avx2", "portable"]


@pytest.fixture(params=PATHS)
def cpu_path(request, monkeypatch):
    monkeypatch.setenv("SAPA_CPU_PATH", request.param)
    return request.param


def check_against_plain(sapa, tensors, kernel_size, border, floor):
    shape = (*tensors[0].shape[:3], tensors[2].shape[3])
    grad = torch.randn(shape, dtype=torch.float64).to(tensors[0].device, tensors[0].dtype)
    options = kernel_size, border
    check_errors(with_gradients(sapa.sapa_upsample, tensors, grad, *options), tensors, grad, options, floor)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_golden_vectors(sapa, golden, device, dtype):
    limit = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.015}[dtype]
    with safe_open(golden, "pt") as file:
        cases = [c for c in json.loads(file.metadata()["cases"]) if c["variant"] == "core"]
        cases = [c for c in cases if c["normalization"] == "softmax"]
        assert len(cases) >= 8
        for case in cases:
            names = ("query", "key", "value", "grad_output", "output", "grad_query", "grad_key", "grad_value")
            tensors = [file.get_tensor(f"case{case['case']}.{name}") for name in names]
            inputs = [t.to(device, dtype) for t in tensors[:4]]
            got = with_gradients(
                sapa.sapa_upsample, inputs[:3], inputs[3], case["kernel_size"], case["border"]
            )
            for expected, result in zip(tensors[4:], got, strict=True):
                torch.testing.assert_close(result.cpu(), expected, rtol=limit, atol=limit)


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("case", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_errors_are_at_most_twice_plain_torch(sapa, device, dtype, case, border):
    *sizes, kernel_size = case
    tensors = random_inputs(*sizes, dtype, device)
    check_against_plain(sapa, tensors, kernel_size, border, PLAIN_ERROR[dtype] / 4)


@pytest.mark.parametrize("case", SIZES[:8], ids=str)
def test_every_cpu_path_computes_the_same(sapa, cpu_path, case):
    *sizes, kernel_size = case
    for border in ("zero", "mask"):
        check_against_plain(sapa, random_inputs(*sizes), kernel_size, border, 1e-6)


def test_unknown_path_name_still_computes(sapa, monkeypatch):
    monkeypatch.setenv("SAPA_CPU_PATH", "no such path")
    check_against_plain(sapa, random_inputs(*SIZES[0][:5]), 5, "zero", 1e-6)


@pytest.mark.slow
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.tuples(st.integers(0, 3), st.integers(1, 20), st.integers(1, 40)),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.integers(1, 40), st.integers(1, 70)),
    st.sampled_from([1, 3, 5, 7, 9]),
    st.sampled_from(["zero", "mask"]),
    st.sampled_from(PATHS),
)
def test_any_shape(sapa, device, shape, growth, depth, kernel_size, border, path):
    os.environ["SAPA_CPU_PATH"] = path
    try:
        batch, height, width = shape
        guide = height + growth[0] * height // 4, width + growth[1] * width // 4
        tensors = random_inputs(batch, (height, width), guide, *depth, torch.float32, device)
        check_against_plain(sapa, tensors, kernel_size, border, 1e-6)
    finally:
        del os.environ["SAPA_CPU_PATH"]


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("guide_size", [(6, 8), (4, 7)], ids=str)
def test_gradcheck(sapa, device, guide_size, border):
    tensors = random_inputs(2, (3, 4), guide_size, 3, 2, torch.float64, device, grad=True)
    function = lambda q, k, v: sapa.sapa_upsample(q, k, v, 3, border)  # noqa: E731
    assert torch.autograd.gradcheck(function, tensors)


def test_large_logits_do_not_overflow(sapa, device):
    query, key, value = random_inputs(1, (6, 6), (12, 12), 16, 8, device=device)
    check_against_plain(sapa, (query * 30, key * 30, value), 5, "zero", 1e-5)


def test_half_precision_sums_many_channels_without_overflow(sapa, device):
    query, key, value = (torch.full(s, 20.0) for s in ((1, 8, 8, 256), (1, 4, 4, 256), (1, 4, 4, 3)))
    half = [t.to(device, torch.float16) for t in (query, key, value)]
    output = sapa.sapa_upsample(*half)
    torch.testing.assert_close(output[:, 4:5, 4:5].float(), torch.full((1, 1, 1, 3), 20.0, device=device))


def test_not_a_number_reaches_the_outputs_that_read_it_and_no_other(sapa, device):
    query, key, value = random_inputs(1, (12, 12), (24, 24), 8, 8, device=device)
    clean = sapa.sapa_upsample(query, key, value)
    key[0, 3, 3] = float("nan")
    value[0, 9, 9] = float("nan")
    output = sapa.sapa_upsample(query, key, value)
    touched = torch.zeros(24, 24, dtype=torch.bool)
    touched[2:12, 2:12] = True
    touched[14:24, 14:24] = True
    assert output.isnan().all(-1)[0].cpu().equal(touched)
    assert output[0].cpu()[~touched].equal(clean[0].cpu()[~touched])
