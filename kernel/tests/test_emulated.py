"""The CUDA kernels on a device emulated on the CPU: their index arithmetic, barriers and fragment layouts.

It shows nothing of speed, and does not stand in for the tests on a GPU.
"""

import ctypes
import subprocess
from pathlib import Path

import pytest
import torch
from plain import check_errors, plain_upsample, random_inputs, random_tables, with_gradients
from test_kernel_heads import random_inputs as random_heads

ELEMENTS = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}
BORDERS = ("zero", "mask", "shift")
FLOOR = {torch.float64: 1e-13, torch.float32: 1e-6, torch.bfloat16: 4e-3, torch.float16: 5e-4}
HERE = Path(__file__).parent
pytestmark = pytest.mark.slow  # half a minute together


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    compilers = pytest.importorskip("sapa_hf.kernels.compilers", reason="sapa_hf finds the compilers")
    compiler, nvcc = compilers.find_compiler(), compilers.find_nvcc()
    if compiler is None or nvcc is None:
        pytest.skip("needs a C++ compiler and CUDA's headers, beside nvcc")
    library = tmp_path_factory.mktemp("emulated") / "emulated.so"
    headers = compilers.cuda_folder(nvcc) / "include"
    command = [compiler, "-O1", "-std=c++17", "-fPIC", "-shared", f"-I{HERE}", f"-I{headers}"]
    subprocess.run([*command, str(HERE / "emulated_kernels.cpp"), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def pointer(tensor):
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


class Emulated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, library, tiles, query, key, value, kernel_size, border, rows=None, columns=None):
        sizes = (
            *key.shape[:3],
            *query.shape[1:3],
            key.shape[3] if key.dim() == 5 else 1,
            key.shape[-1],
            value.shape[-1],
            kernel_size,
            BORDERS.index(border),
        )
        ctx.library, ctx.sizes = library, (ctypes.c_int64 * 10)(*sizes)
        ctx.options = ELEMENTS[value.dtype], int(tiles)
        ctx.save_for_backward(query, key, value, rows, columns)
        output = value.new_full((*query.shape[:-1], value.shape[-1]), float("nan"))
        tensors = [pointer(t) for t in (query, key, value, rows, columns, output)]
        if not library.emulated_forward(ctx.sizes, *ctx.options, *tensors):
            raise NotImplementedError("no tiles for this call")
        return output

    @staticmethod
    def backward(ctx, grad_output):
        *inputs, rows, columns = ctx.saved_tensors
        grads = [torch.full_like(t, float("nan")) for t in inputs]
        size, by_tap = ctx.sizes[8], None
        if rows is not None:
            by_tap = rows.new_full((*inputs[0].shape[:-1], 2 * size), float("nan"))
        given = grad_output.contiguous(), *inputs, rows, columns, *grads, by_tap
        tensors = [pointer(t) for t in given]
        if not ctx.library.emulated_backward(ctx.sizes, *ctx.options, *tensors):
            raise NotImplementedError("no tiles for this call")
        if by_tap is None:
            return None, None, *grads, None, None, None, None
        of_rows, of_columns = by_tap.split(size, -1)
        heads = range(3, by_tap.dim() - 1)
        sums = of_rows.sum((0, 2, *heads)), of_columns.sum((0, 1, *heads))
        return None, None, *grads, None, None, *sums


def random_case(case, dtype):
    *sizes, kernel_size = case
    tensors = random_inputs(*sizes, dtype)
    grad = torch.randn(*tensors[0].shape[:3], sizes[4], dtype=torch.float64).to(dtype)
    return tensors, grad, kernel_size


def check_kernels(emulated, tiles, tensors, grad, *options):
    """Both passes, twice: no bit differs, and errors are within twice plain torch's."""

    def compute(query, key, value, kernel_size, border, bias=()):
        return Emulated.apply(emulated, tiles, query, key, value, kernel_size, border, *bias)

    first, second = (with_gradients(compute, tensors, grad, *options) for _ in range(2))
    assert all(x.equal(y) for x, y in zip(first, second, strict=True))
    check_errors(first, tensors, grad, options, FLOOR[tensors[0].dtype], least=0)


@pytest.mark.parametrize(
    ("case", "dtype", "border"),
    [
        ((2, (3, 5), (6, 10), 6, 9, 5), torch.float32, "zero"),
        ((2, (3, 5), (6, 10), 6, 9, 5), torch.bfloat16, "mask"),
        ((1, (4, 3), (7, 8), 40, 33, 3), torch.float32, "mask"),
        ((1, (4, 3), (7, 8), 40, 33, 3), torch.float64, "zero"),
        ((1, (1, 1), (3, 2), 5, 4, 7), torch.float32, "zero"),
        ((1, (2, 3), (4, 6), 3, 270, 1), torch.float16, "zero"),
        ((1, (2, 2), (4, 4), 260, 5, 3), torch.float32, "zero"),
    ],
    ids=str,
)
def test_generic_kernels(emulated, case, dtype, border):
    check_kernels(emulated, False, *random_case(case, dtype), border)


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize("tiles", [False, True])
def test_a_first_logit_of_minus_infinity_weighs_nothing(emulated, tiles, border):
    (query, key, value), grad, _ = random_case((1, (3, 4), (6, 8), 4, 4, 3), torch.float32)
    query[..., 0], key[..., 0] = 1e20, 0
    key[0, 0, 0, 0] = -1e20  # its product overflows; pixels centred at (1, 1) meet it first
    check_kernels(emulated, tiles, (query, key, value), grad, 3, border)


def test_a_window_of_minus_infinity_alone_is_not_a_number_as_in_torch(emulated):
    (query, key, value), _, _ = random_case((1, (3, 4), (6, 8), 4, 4, 3), torch.float32)
    query[..., 0], key[..., 0] = 1e20, 0
    key[:, :2, :2, 0] = -1e20
    output = Emulated.apply(emulated, False, query, key, value, 3, "mask")
    assert output.isnan().equal(plain_upsample(query, key, value, 3, "mask").isnan())
    assert output[:, :2, :2].isnan().all() and output[:, 2:].isfinite().all()


HALF_CASES = [
    ((1, (8, 8), (16, 16), 64, 64, 5), torch.bfloat16, "zero"),
    ((2, (5, 7), (10, 14), 16, 40, 5), torch.bfloat16, "mask"),
    ((1, (4, 4), (8, 8), 32, 136, 5), torch.float16, "zero"),
    ((1, (3, 9), (3, 9), 24, 8, 3), torch.float16, "mask"),
    ((1, (5, 2), (15, 6), 48, 24, 3), torch.bfloat16, "zero"),
    ((1, (6, 5), (12, 10), 16, 32, 7), torch.bfloat16, "mask"),
    ((1, (5, 6), (10, 12), 8, 24, 7), torch.float16, "zero"),
    ((2, (3, 5), (6, 15), 40, 56, 5), torch.float16, "mask"),
    ((1, (1, 1), (4, 2), 16, 16, 5), torch.bfloat16, "zero"),
    ((1, (2, 3), (4, 6), 8, 520, 3), torch.bfloat16, "zero"),
    ((1, (2, 3), (4, 6), 392, 264, 3), torch.float16, "mask"),
]


@pytest.mark.parametrize(("case", "dtype", "border"), HALF_CASES, ids=str)
def test_tensor_core_kernels(emulated, case, dtype, border):
    check_kernels(emulated, True, *random_case(case, dtype), border)


@pytest.mark.parametrize(
    ("case", "border"),
    [
        ((1, (8, 8), (16, 16), 64, 64, 5), "zero"),
        ((2, (5, 7), (10, 14), 16, 136, 5), "mask"),
        ((1, (6, 5), (12, 15), 68, 20, 7), "mask"),
        ((1, (5, 6), (15, 18), 8, 24, 7), "zero"),
        ((1, (3, 9), (3, 9), 4, 8, 3), "mask"),
        ((1, (1, 1), (4, 2), 16, 16, 5), "zero"),
    ],
    ids=str,
)
def test_register_tiled_kernels(emulated, case, border):
    check_kernels(emulated, True, *random_case(case, torch.float32), border)


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize(
    ("case", "dtype", "tiles"),
    [
        ((2, (3, 5), (6, 10), 6, 9, 5), torch.float32, False),
        ((1, (4, 3), (7, 8), 40, 33, 3), torch.float64, False),
        ((1, (1, 1), (3, 2), 5, 4, 7), torch.bfloat16, False),
        ((2, (5, 7), (10, 14), 16, 136, 5), torch.float32, True),
        ((1, (5, 6), (15, 18), 8, 24, 7), torch.float32, True),
        ((1, (3, 9), (3, 9), 4, 8, 3), torch.float32, True),
        ((2, (5, 7), (10, 14), 16, 40, 5), torch.bfloat16, True),
        ((1, (5, 6), (10, 12), 8, 24, 7), torch.float16, True),
        ((1, (3, 9), (3, 9), 24, 8, 3), torch.float16, True),
    ],
    ids=str,
)
def test_bias_by_place(emulated, case, dtype, tiles, border):
    tensors, grad, kernel_size = random_case(case, dtype)
    tensors += random_tables(case[2], kernel_size, torch.promote_types(dtype, torch.float32))
    check_kernels(emulated, tiles, tensors, grad, kernel_size, border)


@pytest.mark.parametrize(
    ("case", "dtype", "tiles", "border"),
    [
        ((2, (5, 6), (6, 7), 2, 6, 9, 5), torch.float32, False, "shift"),
        ((1, (4, 3), (7, 8), 3, 40, 33, 3), torch.float64, False, "shift"),
        ((1, (7, 8), (8, 8), 2, 5, 4, 7), torch.bfloat16, False, "shift"),
        ((1, (3, 5), (6, 10), 3, 6, 9, 5), torch.float32, False, "mask"),
        ((2, (5, 7), (10, 14), 2, 16, 36, 5), torch.float32, True, "mask"),
        ((1, (5, 6), (15, 18), 3, 8, 24, 7), torch.float32, True, "zero"),
        ((2, (5, 7), (10, 14), 2, 16, 40, 5), torch.bfloat16, True, "zero"),
        ((1, (5, 6), (10, 12), 3, 8, 24, 7), torch.float16, True, "mask"),
    ],
    ids=str,
)
def test_heads_and_shifted_windows(emulated, case, dtype, tiles, border):
    tensors, grad = random_heads(case, dtype)
    check_kernels(emulated, tiles, tensors, grad, case[-1], border)


def test_golden_vectors_with_heads_and_shifted_windows(emulated, heads_golden):
    for case in heads_golden[1:2]:  # the smallest; the larger ones take the emulation a minute
        inputs = [case[name].requires_grad_() for name in ("query", "key", "value", "rows", "columns")]
        output = Emulated.apply(
            emulated, False, *inputs[:3], case["kernel_size"], case["border"], *inputs[3:]
        )
        grads = torch.autograd.grad(output, inputs, case["grad_output"])
        names = "output", "grad_query", "grad_key", "grad_value", "grad_rows", "grad_columns"
        expected = [case[name] for name in names]
        torch.testing.assert_close([output, *grads], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        ((1, (3, 4), (6, 8), 12, 8, 5), torch.bfloat16),
        ((1, (3, 4), (6, 8), 8, 12, 5), torch.float16),
        ((1, (3, 4), (7, 8), 8, 8, 5), torch.bfloat16),
        ((1, (3, 4), (6, 8), 8, 8, 9), torch.bfloat16),
        ((1, (3, 4), (6, 8), 6, 8, 5), torch.float32),
        ((1, (1, 1), (65, 1), 8, 8, 5), torch.float32),
        ((1, (3, 4), (6, 8), 8, 8, 5), torch.float64),
        ((1, (2, 2), (2, 2), 1680, 8, 5), torch.bfloat16),  # its keys exceed the shared memory
    ],
    ids=str,
)
def test_tiled_kernels_leave_other_calls_to_the_generic_ones(emulated, case, dtype):
    tensors, _, kernel_size = random_case(case, dtype)
    with pytest.raises(NotImplementedError):
        Emulated.apply(emulated, True, *tensors, kernel_size, "zero")


@pytest.mark.parametrize(("window", "embedding"), [(7, 19173824), (3, 44739104)])
def test_shared_memory_beyond_32_bits_is_not_taken_for_little(emulated, window, embedding):
    row = torch.zeros(1, 1, 1, embedding, dtype=torch.bfloat16)  # modulo 2^32 its tile takes under 48 KB
    with pytest.raises(NotImplementedError):
        Emulated.apply(emulated, True, row, row, torch.zeros(1, 1, 1, 8, dtype=row.dtype), window, "zero")
