"""Logits by place: values and gradients against the definition, and what torch may rely on."""

import re

import pytest
import torch
import torch._dynamo.testing
from plain import (
    PLAIN_ERROR,
    check_errors,
    plain_upsample,
    random_inputs,
    random_tables,
    with_gradients,
)
from test_values import PATHS

SIZES = [  # batch, (H, W), (H', W'), d, C, K
    (2, (5, 7), (10, 14), 6, 9, 5),
    (1, (9, 33), (18, 66), 16, 40, 5),
    (1, (5, 3), (20, 12), 4, 12, 7),
    (1, (11, 13), (21, 22), 7, 17, 5),
    (2, (6, 5), (12, 15), 16, 32, 3),
    (1, (4, 19), (4, 19), 3, 1, 3),
    (2, (1, 1), (3, 2), 8, 8, 7),
    (1, (2, 3), (5, 7), 4, 20, 1),
]


def check_against_plain(sapa, case, border, dtype=torch.float32, device="cpu"):
    batch, size, guide_size, embedding, channels, kernel_size = case
    tensors = random_inputs(batch, size, guide_size, embedding, channels, dtype, device)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    tensors += random_tables(guide_size, kernel_size, wide, device)
    grad = torch.randn(batch, *guide_size, channels, dtype=torch.float64).to(device, dtype)
    options = kernel_size, border
    found = with_gradients(sapa.sapa_upsample, tensors, grad, *options)
    check_errors(found, tensors, grad, options, PLAIN_ERROR[dtype] / 4)


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("case", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_errors_are_at_most_twice_plain_torch(sapa, device, dtype, case, border):
    check_against_plain(sapa, case, border, dtype, device)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", SIZES[:4], ids=str)
def test_every_cpu_path_computes_the_same(sapa, monkeypatch, path, case):
    monkeypatch.setenv("SAPA_CPU_PATH", path)
    for border in ("zero", "mask"):
        check_against_plain(sapa, case, border)


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("guide_size", [(6, 8), (4, 7)], ids=str)
def test_gradcheck(sapa, device, guide_size, border):
    tensors = random_inputs(2, (3, 4), guide_size, 3, 2, torch.float64, device, grad=True)
    tables = random_tables(guide_size, 3, torch.float64, device, grad=True)
    function = lambda q, k, v, r, c: sapa.sapa_upsample(q, k, v, 3, border, bias=(r, c))  # noqa: E731
    assert torch.autograd.gradcheck(function, (*tensors, *tables))


def test_no_bias_and_a_bias_of_nothing_are_alike(sapa, device):
    tensors = random_inputs(1, (6, 9), (12, 18), 8, 8, device=device)
    nothing = tuple(torch.zeros(size, 5, device=device) for size in (12, 18))
    for border in ("zero", "mask"):
        plain = sapa.sapa_upsample(*tensors, 5, border)
        assert torch.equal(sapa.sapa_upsample(*tensors, 5, border, bias=nothing), plain)


def test_infinite_logits_outside_a_masked_map_count_for_nothing(sapa, device):
    tensors = random_inputs(1, (4, 5), (8, 10), 4, 4, device=device)
    tables = random_tables((8, 10), 5, device=device)
    tables[0][:2, 0] = tables[1][:2, 0] = float("inf")  # taps above and left of the map
    expected = plain_upsample(*tensors, 5, "mask", bias=tuple(tables))
    torch.testing.assert_close(sapa.sapa_upsample(*tensors, 5, "mask", bias=tuple(tables)), expected)


def test_opcheck(sapa, device):
    tensors = random_inputs(2, (3, 5), (6, 10), 4, 6, device=device, grad=True)
    tables = random_tables((6, 10), 5, device=device, grad=True)
    torch.library.opcheck(sapa.registration.forward_op, (*tensors, 5, 0, *tables))
    detached = [tensor.detach() for tensor in (*tensors, *tables)]
    grad = torch.randn(2, 6, 10, 6, device=device)
    call = (grad, *detached[:3], 5, 1, *detached[3:])
    torch.library.opcheck(sapa.registration.backward_op, call)


def test_compiles_whole_with_dynamic_shapes_and_no_recompilation(sapa, device):
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(sapa.sapa_upsample, backend=counter, fullgraph=True, dynamic=True)
    for height, width, batch in ((6, 8, 2), (9, 7, 3)):  # none is the window's: equal sizes share a symbol
        size = 2 * height, 2 * width
        tensors = random_inputs(batch, (height, width), size, 17, 23, device=device, grad=True)
        tables = random_tables(size, 5, device=device, grad=True)
        outputs = [form(*tensors, bias=tuple(tables)) for form in (compiled, plain_upsample)]
        torch.testing.assert_close(*outputs)
        grads = [torch.autograd.grad(output.square().sum(), (*tensors, *tables)) for output in outputs]
        torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-3)
    assert counter.frame_count == 1


@pytest.mark.parametrize("guide", [(80, 70), (57, 41)], ids=str)
def test_thread_counts_do_not_change_a_bit(sapa, guide):
    tensors, tables = random_inputs(2, (40, 35), guide, 24, 100), random_tables(guide, 5)
    grad = torch.randn(2, *guide, 100)
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(with_gradients(sapa.sapa_upsample, [*tensors, *tables], grad)[:4])
    torch.set_num_threads(1)
    assert all(x.equal(y) for other in results[1:] for x, y in zip(results[0], other, strict=True))


@pytest.mark.parametrize("batched", [False, True])
def test_vmap_matches_a_loop(sapa, device, batched):
    calls = [random_inputs(2, (3, 4), (6, 8), 4, 5, device=device) for _ in range(3)]
    tables = [tuple(random_tables((6, 8), 5, device=device)) for _ in range(3)]
    if not batched:
        tables = tables[:1] * 3
    upsample = lambda q, k, v, bias: sapa.sapa_upsample(q, k, v, bias=bias)  # noqa: E731
    expected = torch.stack([upsample(*call, bias) for call, bias in zip(calls, tables, strict=True)])
    stacked = [torch.stack(tensors) for tensors in zip(*calls, strict=True)]
    bias = tuple(map(torch.stack, zip(*tables, strict=True))) if batched else tables[0]
    found = torch.vmap(upsample, (0, 0, 0, 0 if batched else None))(*stacked, bias)
    torch.testing.assert_close(found, expected)


def test_empty_batch(sapa, device):
    tensors = random_inputs(0, (4, 4), (8, 8), 3, 5, device=device, grad=True)
    tables = random_tables((8, 8), 5, device=device, grad=True)
    sapa.sapa_upsample(*tensors, bias=tuple(tables)).sum().backward()
    assert all((table.grad == 0).all() for table in tables)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda r, c: (r[:2], c), ValueError, "bias of rows must have the shape (6, 5) on"),
        (lambda r, c: (r, c[:, :3]), ValueError, "got (8, 3)"),
        (lambda r, c: (r, c.long()), TypeError, "bias of columns must be a floating point tensor"),
        (lambda r, c: (r, None), TypeError, "got NoneType"),
    ],
)
def test_wrong_tables_are_named(sapa, device, change, error, message):
    tensors = random_inputs(2, (3, 4), (6, 8), 4, 5, device=device)
    tables = random_tables((6, 8), 5, device=device)
    with pytest.raises(error, match=re.escape(message)):
        sapa.sapa_upsample(*tensors, bias=change(*tables))


def test_the_bare_operator_checks_its_tables(sapa, device):
    tensors = random_inputs(1, (3, 4), (6, 8), 4, 5, device=device)
    rows, columns = random_tables((6, 8), 5, device=device)
    for wrong in ((rows, None), (rows[:1], columns), (rows.double(), columns)):
        with pytest.raises(RuntimeError, match="bias"):
            sapa.registration.forward_op(*tensors, 5, 0, *wrong)
