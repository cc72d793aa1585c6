"""Heads, and windows moved inside the map: values and gradients, and what torch may rely on."""

import re

import pytest
import torch
import torch._dynamo.testing
from plain import PLAIN_ERROR, check_errors, plain_upsample, random_tables, with_gradients
from test_values import PATHS
from torch.utils.flop_counter import FlopCounterMode

SIZES = [  # batch, (H, W), (H', W'), heads, d, C, K; K fits into the map
    (2, (5, 7), (10, 14), 2, 6, 9, 5),
    (1, (9, 33), (18, 66), 3, 16, 40, 5),
    (1, (7, 40), (9, 40), 4, 8, 12, 7),
    (2, (11, 13), (21, 22), 1, 7, 17, 5),
    (1, (6, 5), (12, 15), 5, 16, 32, 3),
    (1, (4, 19), (4, 19), 2, 3, 1, 3),
    (1, (9, 9), (27, 18), 2, 20, 33, 9),
    (2, (2, 3), (5, 7), 3, 4, 20, 1),
]


def random_inputs(case, dtype=torch.float32, device="cpu", bias=True):
    """Query, key and value with heads, the tables of a bias if wanted, and a gradient of the output."""
    batch, size, guide_size, heads, embedding, channels, kernel_size = case
    shapes = [(batch, *guide_size, heads, embedding), (batch, *size, heads, embedding)]
    shapes += [(batch, *size, heads, channels), (batch, *guide_size, heads, channels)]
    query, key, value, grad = (torch.randn(s, dtype=torch.float64).to(device, dtype) for s in shapes)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    tables = random_tables(guide_size, kernel_size, wide, device)
    return [query, key, value, *(tables if bias else [])], grad


def check_against_plain(sapa, case, border, dtype=torch.float32, device="cpu", bias=True):
    leaves, grad = random_inputs(case, dtype, device, bias)
    options = case[-1], border
    found = with_gradients(sapa.sapa_upsample, leaves, grad, *options)
    check_errors(found, leaves, grad, options, PLAIN_ERROR[dtype] / 4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("border", ["zero", "mask", "shift"])
@pytest.mark.parametrize("case", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_errors_are_at_most_twice_plain_torch(sapa, device, dtype, case, border, bias):
    check_against_plain(sapa, case, border, dtype, device, bias)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", SIZES, ids=str)
def test_every_cpu_path_computes_the_same(sapa, monkeypatch, path, case):
    monkeypatch.setenv("SAPA_CPU_PATH", path)
    for border in ("zero", "mask", "shift"):
        check_against_plain(sapa, case, border)


@pytest.mark.parametrize("border", ["zero", "mask", "shift"])
@pytest.mark.parametrize("guide_size", [(6, 8), (4, 7)], ids=str)
def test_gradcheck(sapa, device, guide_size, border):
    leaves, _ = random_inputs((2, (3, 4), guide_size, 2, 3, 2, 3), torch.float64, device)
    leaves = [leaf.requires_grad_() for leaf in leaves]
    function = lambda q, k, v, r, c: sapa.sapa_upsample(q, k, v, 3, border, bias=(r, c))  # noqa: E731
    assert torch.autograd.gradcheck(function, leaves)


def test_golden_vectors(sapa, heads_golden, device):
    for case in heads_golden:
        leaves = [case[name].to(device) for name in ("query", "key", "value", "rows", "columns")]
        names = ("output", *(f"grad_{name}" for name in ("query", "key", "value", "rows", "columns")))
        found = with_gradients(
            sapa.sapa_upsample, leaves, case["grad_output"].to(device), case["kernel_size"], case["border"]
        )
        for name, tensor in zip(names, found, strict=True):
            torch.testing.assert_close(tensor.cpu(), case[name], rtol=1e-12, atol=1e-12)


def test_no_dimension_of_heads_and_one_head_are_alike(sapa, device):
    leaves, grad = random_inputs((2, (6, 9), (12, 18), 1, 8, 8, 5), device=device)
    flat = [leaf[:, :, :, 0] if leaf.dim() == 5 else leaf for leaf in leaves]
    for border in ("zero", "mask", "shift"):
        one = with_gradients(sapa.sapa_upsample, leaves, grad, 5, border)
        other = with_gradients(sapa.sapa_upsample, flat, grad[:, :, :, 0], 5, border)
        assert all(x.flatten().equal(y.flatten()) for x, y in zip(one, other, strict=True))


def test_windows_that_fit_are_not_moved(sapa, device):
    leaves, _ = random_inputs((1, (12, 40), (24, 80), 2, 8, 8, 5), device=device)
    outputs = [
        sapa.sapa_upsample(*leaves[:3], 5, border, bias=tuple(leaves[3:])) for border in ("mask", "shift")
    ]
    inner = [output[:, 4:-4, 4:-4] for output in outputs]
    assert torch.equal(*inner) and not torch.equal(*outputs)


@pytest.mark.parametrize("border", ["zero", "shift"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_thread_counts_and_runs_do_not_change_a_bit(sapa, dtype, border):
    leaves, grad = random_inputs((2, (40, 35), (57, 70), 3, 24, 20, 5), dtype)
    results = []
    for threads in (1, 2, 3, 8, 8):
        torch.set_num_threads(threads)
        results.append(with_gradients(sapa.sapa_upsample, leaves, grad, 5, border)[:4])
    torch.set_num_threads(1)
    assert all(x.equal(y) for other in results[1:] for x, y in zip(results[0], other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_every_element_is_written(sapa, device, dtype):
    leaves, grad = random_inputs((2, (7, 18), (11, 36), 3, 5, 37, 5), dtype, device)
    torch.use_deterministic_algorithms(True)  # fills fresh memory with not-a-number
    try:
        output = sapa.registration.forward_op(*leaves[:3], 5, 2, *leaves[3:])
        grads = sapa.registration.backward_op(grad, *leaves[:3], 5, 2, *leaves[3:])
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(tensor.isfinite().all() for tensor in (output, *grads))


def test_not_a_number_reaches_the_outputs_that_read_it_and_no_other(sapa, device):
    (query, key, value), _ = random_inputs((1, (12, 12), (24, 24), 2, 8, 8, 5), device=device, bias=False)
    clean = sapa.sapa_upsample(query, key, value, 5, "shift")
    key[0, 3, 11, 1] = float("nan")  # read by the windows around rows 0 .. 5 and columns 9 .. 11
    output = sapa.sapa_upsample(query, key, value, 5, "shift")
    touched = torch.zeros(24, 24, 2, dtype=torch.bool)
    touched[:12, 18:, 1] = True
    assert output.isnan().all(-1)[0].cpu().equal(touched)
    assert output[0].cpu()[~touched].equal(clean[0].cpu()[~touched])


def test_opcheck(sapa, device):
    leaves, grad = random_inputs((2, (5, 6), (6, 10), 2, 4, 6, 5), device=device)
    call = [leaf.requires_grad_() for leaf in leaves]
    torch.library.opcheck(sapa.registration.forward_op, (*call[:3], 5, 2, *call[3:]))
    torch.library.opcheck(sapa.registration.forward_op, (*call[:3], 5, 0))
    detached = [leaf.detach() for leaf in leaves]
    torch.library.opcheck(sapa.registration.backward_op, (grad, *detached[:3], 5, 2, *detached[3:]))


def test_compiles_whole_with_dynamic_shapes_and_no_recompilation(sapa, device):
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(sapa.sapa_upsample, backend=counter, fullgraph=True, dynamic=True)
    for height, width, batch in ((7, 8, 2), (9, 13, 3)):
        leaves, _ = random_inputs(
            (batch, (height, width), (2 * height, 2 * width), 6, 17, 23, 5), device=device
        )
        leaves = [leaf.requires_grad_() for leaf in leaves]
        outputs = [f(*leaves[:3], 5, "shift", bias=tuple(leaves[3:])) for f in (compiled, plain_upsample)]
        torch.testing.assert_close(*outputs)
        grads = [torch.autograd.grad(output.square().sum(), leaves) for output in outputs]
        torch.testing.assert_close(*grads, rtol=1e-4, atol=2e-3)
    assert counter.frame_count == 1


def test_vmap_matches_a_loop(sapa, device):
    calls = [random_inputs((2, (5, 6), (6, 8), 3, 4, 5, 3), device=device)[0] for _ in range(3)]
    upsample = lambda q, k, v, r, c: sapa.sapa_upsample(q, k, v, 3, "shift", bias=(r, c))  # noqa: E731
    expected = torch.stack([upsample(*call[:3], *calls[0][3:]) for call in calls])
    stacked = [torch.stack(tensors) for tensors in zip(*(call[:3] for call in calls), strict=True)]
    found = torch.vmap(upsample, (0, 0, 0, None, None))(*stacked, *calls[0][3:])
    torch.testing.assert_close(found, expected)


def test_flop_counter_counts_every_head(sapa, device):
    (query, key, value), _ = random_inputs((2, (5, 6), (6, 8), 3, 10, 7, 5), device=device, bias=False)
    with FlopCounterMode(display=False) as counter:
        output = sapa.sapa_upsample(query.requires_grad_(), key, value)
        forward = counter.get_total_flops()
        output.sum().backward()
    assert forward == 2 * 25 * 2 * 48 * 3 * (10 + 7)
    assert counter.get_total_flops() - forward == 2 * 25 * 2 * 48 * 3 * (3 * 10 + 2 * 7)


def test_strided_heads_and_nothing(sapa, device):
    leaves, _ = random_inputs((1, (6, 7), (12, 14), 3, 8, 10, 5), device=device, bias=False)
    strided = [leaf.transpose(3, 4).contiguous().transpose(3, 4) for leaf in leaves]
    assert not strided[0].is_contiguous()
    torch.testing.assert_close(sapa.sapa_upsample(*strided), plain_upsample(*leaves, 5, "zero"))
    for case in ((0, (6, 7), (12, 14), 3, 8, 10, 5), (1, (6, 7), (12, 14), 0, 8, 10, 5)):
        leaves, grad = random_inputs(case, device=device)
        output = with_gradients(sapa.sapa_upsample, leaves, grad, 5, "shift")[0]
        assert output.shape == grad.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q, k, v: (q[:, :, :, :1], k, v), "in the heads before d and C"),
        (lambda q, k, v: (q, k, v[:, :, :, 0]), "in the heads before d and C"),
        (lambda q, k, v: (q, k, v, 7, "shift"), "at least kernel_size=7 along both axes"),
        (lambda q, k, v: (q[None], k, v), "or (B, H, W, n, C) with heads"),
    ],
)
def test_wrong_arguments_are_named(sapa, device, change, message):
    (query, key, value), _ = random_inputs((2, (6, 8), (6, 8), 3, 4, 5, 5), device=device, bias=False)
    with pytest.raises(ValueError, match=re.escape(message)):
        sapa.sapa_upsample(*change(query, key, value))


def test_the_bare_operator_checks_heads_and_border(sapa, device):
    (query, key, value), _ = random_inputs((2, (6, 8), (6, 8), 3, 4, 5, 5), device=device, bias=False)
    forward = sapa.registration.forward_op
    with pytest.raises(RuntimeError, match="differ in heads"):
        forward(query[:, :, :, :1], key, value, 5, 0)
    with pytest.raises(RuntimeError, match="needs a map of at least kernel_size 7"):
        forward(query, key, value, 7, 2)
    with pytest.raises(RuntimeError, match="0, 1 or 2 for zero, mask or shift, got 3"):
        forward(query, key, value, 5, 3)
