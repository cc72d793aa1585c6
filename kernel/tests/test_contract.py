"""What torch and its users may rely on: dispatch, compilation, determinism, memory, errors."""

import os
import re

import pytest
import torch
import torch._dynamo.testing
from plain import plain_upsample, random_inputs, with_gradients
from torch.autograd import forward_ad
from torch.utils.flop_counter import FlopCounterMode


def test_opcheck(sapa, device):
    forward, backward = sapa.registration.forward_op, sapa.registration.backward_op
    tensors = random_inputs(2, (3, 5), (6, 10), 4, 6, device=device, grad=True)
    torch.library.opcheck(forward, (*tensors, 5, 0))
    torch.library.opcheck(forward, (*random_inputs(1, (3, 5), (4, 7), 4, 6, device=device), 3, 1))
    detached = [t.detach() for t in tensors]
    torch.library.opcheck(backward, (torch.randn(2, 6, 10, 6, device=device), *detached, 5, 0))


def test_compiles_whole_with_dynamic_shapes_and_no_recompilation(sapa, device):
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(sapa.sapa_upsample, backend=counter, fullgraph=True, dynamic=True)
    for height, width, batch in ((5, 6, 2), (9, 7, 3), (12, 21, 4)):
        size = 2 * height, 2 * width
        tensors = random_inputs(batch, (height, width), size, 17, 23, device=device, grad=True)
        expected = plain_upsample(*tensors)
        output = compiled(*tensors)
        torch.testing.assert_close(output, expected)
        grads = torch.autograd.grad(output.square().sum(), tensors)
        torch.testing.assert_close(
            grads, torch.autograd.grad(expected.square().sum(), tensors), rtol=1e-4, atol=1e-4
        )
    assert counter.frame_count == 1


def test_two_runs_are_bitwise_equal(sapa, device):
    for dtype in (torch.float32, torch.bfloat16):
        tensors = random_inputs(2, (20, 33), (40, 66), 16, 40, dtype, device)
        grad = torch.randn(2, 40, 66, 40, device=device)
        first, second = (with_gradients(sapa.sapa_upsample, tensors, grad) for _ in range(2))
        assert all(x.equal(y) for x, y in zip(first, second, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("guide", [(80, 70), (57, 41)], ids=str)
def test_thread_counts_do_not_change_a_bit(sapa, dtype, guide):
    tensors = random_inputs(2, (40, 35), guide, 24, 100, dtype)
    grad = torch.randn(2, *guide, 100)
    results = []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        results.append(with_gradients(sapa.sapa_upsample, tensors, grad))
    torch.set_num_threads(1)
    for result in results[1:]:
        assert all(x.equal(y) for x, y in zip(results[0], result, strict=True))


def test_strided_and_expanded_inputs(sapa, device):
    query, key, value = random_inputs(2, (6, 7), (12, 14), 8, 10, device=device)
    strided = [t.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1) for t in (query, key, value)]
    assert not strided[0].is_contiguous()
    torch.testing.assert_close(sapa.sapa_upsample(*strided), plain_upsample(query, key, value))
    alike = key[:, :1].expand_as(key)
    torch.testing.assert_close(sapa.sapa_upsample(query, alike, value), plain_upsample(query, alike, value))
    leaves = [t.requires_grad_() for t in (query, key, value)]
    sapa.sapa_upsample(*leaves).sum().backward()  # its gradient is an expanded scalar
    expected = torch.autograd.grad(plain_upsample(*leaves).sum(), leaves)
    torch.testing.assert_close([leaf.grad for leaf in leaves], list(expected))


def test_empty_batch(sapa, device):
    tensors = random_inputs(0, (4, 4), (8, 8), 3, 5, device=device, grad=True)
    output = sapa.sapa_upsample(*tensors)
    assert output.shape == (0, 8, 8, 5)
    output.sum().backward()
    assert [t.grad.shape for t in tensors] == [t.shape for t in tensors]


def test_no_channels_and_no_embedding(sapa, device):
    query, key, value = random_inputs(1, (3, 3), (6, 6), 0, 4, device=device, grad=True)
    output = sapa.sapa_upsample(query, key, value)
    torch.testing.assert_close(output, plain_upsample(query, key, value))
    output.sum().backward()
    assert query.grad.shape == query.shape
    tensors = random_inputs(1, (3, 3), (6, 6), 4, 0, device=device, grad=True)
    sapa.sapa_upsample(*tensors).sum().backward()
    assert all((t.grad == 0).all() for t in tensors)


@pytest.mark.parametrize("guide, depth", [((11, 36), (5, 37)), ((14, 36), (8, 40))], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_every_element_is_written(sapa, device, dtype, guide, depth):
    tensors = random_inputs(2, (7, 18), guide, *depth, dtype, device)
    grad = torch.randn(2, *guide, depth[1], device=device, dtype=dtype)
    torch.use_deterministic_algorithms(True)  # fills fresh memory with not-a-number
    try:
        assert torch.empty(4, device=device).isnan().all()
        output = sapa.registration.forward_op(*tensors, 5, 0)
        grads = sapa.registration.backward_op(grad, *tensors, 5, 0)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(t.isfinite().all() for t in (output, *grads))


def test_mixed_dtypes_compute_in_the_wider_and_return_the_values(sapa, device):
    query, key, value = random_inputs(1, (5, 5), (10, 10), 8, 8, device=device)
    output = sapa.sapa_upsample(query.bfloat16(), key.bfloat16(), value)
    assert output.dtype == torch.float32
    torch.testing.assert_close(
        output, plain_upsample(query.bfloat16().float(), key.bfloat16().float(), value)
    )
    assert sapa.sapa_upsample(query, key, value.half()).dtype == torch.float16


def test_autocast_leaves_dtypes_alone(sapa, device):
    tensors = random_inputs(1, (5, 5), (10, 10), 8, 8, device=device)
    with torch.autocast(device, dtype=torch.bfloat16):
        output = sapa.sapa_upsample(tensors[0].bfloat16(), *tensors[1:])
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, plain_upsample(tensors[0].bfloat16().float(), *tensors[1:]))


def test_vmap_matches_a_loop(sapa, device):
    tensors = [
        torch.stack(t) for t in zip(*(random_inputs(2, (3, 4), (6, 8), 4, 5) for _ in range(3)), strict=True)
    ]
    tensors = [t.to(device) for t in tensors]
    expected = torch.stack([sapa.sapa_upsample(*t) for t in zip(*tensors, strict=True)])
    torch.testing.assert_close(torch.vmap(sapa.sapa_upsample)(*tensors), expected)


def test_flop_counter_knows_both_passes(sapa, device):
    tensors = random_inputs(2, (3, 4), (6, 8), 10, 7, device=device, grad=True)
    with FlopCounterMode(display=False) as counter:
        output = sapa.sapa_upsample(*tensors)
        forward = counter.get_total_flops()
        output.sum().backward()
    assert forward == 2 * 25 * 2 * 48 * (10 + 7)
    assert counter.get_total_flops() - forward == 2 * 25 * 2 * 48 * (3 * 10 + 2 * 7)


def test_second_derivatives_are_refused(sapa, device):
    tensors = random_inputs(1, (3, 3), (6, 6), 4, 5, device=device, grad=True)
    (grad,) = torch.autograd.grad(sapa.sapa_upsample(*tensors).square().sum(), tensors[0], create_graph=True)
    with pytest.raises(RuntimeError, match="plain PyTorch"):
        grad.sum().backward()


def test_forward_mode_and_function_transforms_are_refused(sapa, device):
    query, key, value = random_inputs(1, (3, 3), (6, 6), 4, 5, device=device)

    def energy(query):
        return sapa.sapa_upsample(query, key, value).square().sum()

    for transform in (torch.func.grad(energy), torch.func.jacrev(energy), torch.func.jacfwd(energy)):
        with pytest.raises(RuntimeError, match="SAPA_BACKEND=plain"):
            transform(query)
    for form in (energy, torch.compile(energy, backend="aot_eager")):
        with forward_ad.dual_level(), pytest.raises(RuntimeError, match="SAPA_BACKEND=plain"):
            form(forward_ad.make_dual(query, torch.ones_like(query)))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda q, k, v: (q, k[:, :2], v), ValueError, "(2, 6, 8, 4), (2, 2, 4, 4) and (2, 3, 4, 5)"),
        (lambda q, k, v: (q, k, v[:1]), ValueError, "(1, 3, 4, 5)"),
        (lambda q, k, v: (q[..., :3], k, v), ValueError, "(2, 6, 8, 3)"),
        (lambda q, k, v: (q[:, :2], k, v), ValueError, "(2, 8) must be at least the key's (3, 4)"),
        (lambda q, k, v: (q[0], k, v), ValueError, "query must be channels-last"),
        (lambda q, k, v: (q, k[:, :0], v[:, :0]), ValueError, "(0, 4)"),
        (lambda q, k, v: (q.long(), k, v), TypeError, "query must be a float32"),
        (lambda q, k, v: (q, None, v), TypeError, "NoneType"),
        (lambda q, k, v: (q, k, v, 4), ValueError, "got 4"),
        (lambda q, k, v: (q, k, v, 5.0), TypeError, "got 5.0"),
        (lambda q, k, v: (q, k, v, 5, "wrap"), ValueError, "got 'wrap'"),
        (lambda q, k, v: (q, k, v, 5, "zero", "relu"), ValueError, "got 'relu'"),
        (lambda q, k, v: (q.to("meta"), k, v), ValueError, "meta"),
    ],
)
def test_wrong_arguments_are_named(sapa, device, change, error, message):
    tensors = random_inputs(2, (3, 4), (6, 8), 4, 5, device=device)
    with pytest.raises(error, match=re.escape(message)):
        sapa.sapa_upsample(*change(*tensors))


def test_the_operator_itself_refuses_what_it_cannot_run(sapa, device):
    query, key, value = random_inputs(2, (3, 4), (6, 8), 4, 5, device=device)
    forward, backward = sapa.registration.forward_op, sapa.registration.backward_op
    with pytest.raises(RuntimeError, match="differ in batch, height or width"):
        forward(query, key, value[:, :2], 5, 0)
    with pytest.raises(RuntimeError, match="differ in dtype"):
        forward(query, key.double(), value, 5, 0)
    for kernel_size in (2, 32769):
        with pytest.raises(RuntimeError, match=f"odd, positive and below 32768, got {kernel_size}"):
            forward(query, key, value, kernel_size, 0)
    with pytest.raises(RuntimeError, match="grad_output"):
        backward(torch.randn(2, 6, 8, 4, device=device), query, key, value, 5, 0)


@pytest.mark.parametrize("embedding", [1, 8])  # on a GPU 1 takes the generic kernels, 8 the tiled ones
def test_more_than_two_to_the_31_elements(sapa, device, embedding):
    if not os.environ.get("SAPA_LARGE_TESTS"):
        pytest.skip("needs 14 GB; set SAPA_LARGE_TESTS=1")
    height, channels = 33000, 65536
    value = torch.zeros(1, height, 1, channels, dtype=torch.bfloat16, device=device)
    value[0, -1] = 1
    ones = torch.ones(1, height, 1, embedding, dtype=torch.bfloat16, device=device)
    assert value.numel() > 2**31
    output = sapa.sapa_upsample(ones, ones, value, 3, "mask")
    assert output[0, -1].eq(0.5).all() and output[0, -2, 0, 0] > 0.3 and output[0, : height - 2].eq(0).all()


def test_work_runs_on_the_current_stream(sapa):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    tensors = random_inputs(1, (64, 64), (128, 128), 64, 256, device="cuda")
    expected = sapa.sapa_upsample(*tensors)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()  # capture fails if a launch leaves the current stream
    with torch.cuda.graph(graph):
        captured = sapa.sapa_upsample(*tensors)
    graph.replay()
    torch.cuda.synchronize()
    assert captured.equal(expected)


def test_second_gpu_is_used_where_the_tensors_are(sapa):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    tensors = random_inputs(1, (8, 8), (16, 16), 8, 8, device="cuda:1")
    torch.testing.assert_close(sapa.sapa_upsample(*tensors), plain_upsample(*tensors))
