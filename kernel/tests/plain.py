"""What the kernel is compared with: the operator's definition, in the inputs' dtype; and random inputs."""

import pytest
import torch

# The same file that the models carry: there is one definition.
definition = pytest.importorskip(
    "sapa_hf.modeling.affiliation_definition", reason="the operator's definition is a part of sapa_hf"
).affiliation_by_definition

PLAIN_ERROR = {torch.float32: 2e-6, torch.bfloat16: 8e-3, torch.float16: 1e-3}


def plain_upsample(query, key, value, *options, **more):
    """The definition, which knows no heads: with heads it is asked once for each."""
    if query.dim() == 4:
        return definition(query, key, value, *options, **more)
    calls = zip(query.unbind(3), key.unbind(3), value.unbind(3), strict=True)
    return torch.stack([definition(*call, *options, **more) for call in calls], 3)


def random_inputs(
    batch, size, guide_size, embedding, channels, dtype=torch.float32, device="cpu", grad=False
):
    shapes = (batch, *guide_size, embedding), (batch, *size, embedding), (batch, *size, channels)
    tensors = [torch.randn(shape, dtype=torch.float64).to(device, dtype) for shape in shapes]
    return [tensor.requires_grad_(grad) for tensor in tensors]


def random_tables(guide_size, kernel_size, dtype=torch.float32, device="cpu", grad=False):
    """The two tables of a bias by place."""
    tables = [torch.randn(size, kernel_size, dtype=torch.float64).to(device, dtype) for size in guide_size]
    return [table.requires_grad_(grad) for table in tables]


def with_gradients(function, tensors, grad_output, *options):
    """Output and gradients, in float64, whatever the tensors' dtype; a fourth and fifth tensor are a bias."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    bias = {"bias": tuple(leaves[3:])} if leaves[3:] else {}
    output = function(*leaves[:3], *options, **bias)
    output.backward(grad_output.to(output.dtype))
    return [tensor.detach().double() for tensor in (output, *(leaf.grad for leaf in leaves))]


def check_errors(found, tensors, grad, options, floor, least=1.0):
    """Errors against float64 stay within twice those of plain torch in the same dtype, and a floor.

    `found` is what `with_gradients` gave; the floor is a share of the largest value, of `least` at least.
    """
    dtype = tensors[0].dtype
    exact = with_gradients(plain_upsample, [t.double() for t in tensors], grad.double(), *options)
    plain = with_gradients(plain_upsample, [t.to(dtype) for t in tensors], grad, *options)
    names = ("output", "query", "key", "value", "rows", "columns")[: len(exact)]
    for name, x, y, z in zip(names, exact, plain, found, strict=True):
        if x.numel() == 0:
            continue
        allowed = 2 * (x - y).abs().max() + floor * x.abs().max().clamp(min=least)
        assert (x - z).abs().max() <= allowed, name
