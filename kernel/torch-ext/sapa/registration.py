"""What torch must know about the compiled operators: shapes, gradient, batching and cost."""

from math import prod

import torch
from torch.utils.flop_counter import register_flop_formula

from ._ops import add_op_namespace_prefix, ops

__all__ = ["backward_op", "forward_op"]

forward_op = ops.forward.default
backward_op = ops.backward.default


def _fake_forward(query, key, value, kernel_size, border, rows=None, columns=None):
    """Shape (B, H', W', C) or (B, H', W', n, C), in value's dtype."""
    _check_fake(query, key, value)
    _check_fake_bias(query, kernel_size, rows, columns)
    return value.new_empty((*query.shape[:-1], value.shape[-1]))


def _fake_backward(grad_output, query, key, value, kernel_size, border, rows=None, columns=None):
    """One gradient a tensor; of a bias one a query, (..., 2 * K), and no elements without a bias."""
    sum_dtype = torch.float64 if value.dtype == torch.float64 else torch.float32
    bias_shape = (0,) if rows is None else (*query.shape[:-1], 2 * kernel_size)
    bias = query.new_empty(bias_shape, dtype=sum_dtype)
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape), bias


def _check_fake(query, key, value):
    """The compiled operator's own checks, while tracing."""
    torch._check(
        query.dim() in (4, 5) and query.dim() == key.dim() == value.dim(),
        lambda: "sapa: needs three tensors of 4 dimensions, or of 5 with heads",
    )
    torch._check(
        query.shape[0] == key.shape[0] and key.shape[0] == value.shape[0], lambda: "sapa: batches differ"
    )
    torch._check(
        query.shape[-1] == key.shape[-1], lambda: "sapa: embedding dimensions of query and key differ"
    )
    if query.dim() == 5:
        torch._check(query.shape[3] == key.shape[3] == value.shape[3], lambda: "sapa: heads differ")
    torch._check(key.shape[1] == value.shape[1], lambda: "sapa: heights of key and value differ")
    torch._check(key.shape[2] == value.shape[2], lambda: "sapa: widths of key and value differ")
    torch._check(query.shape[1] >= key.shape[1], lambda: "sapa: the query's height is below the key's")
    torch._check(query.shape[2] >= key.shape[2], lambda: "sapa: the query's width is below the key's")


def _check_fake_bias(query, kernel_size, rows, columns):
    torch._check((rows is None) == (columns is None), lambda: "sapa: a bias needs both its tables")
    for axis, table in ((1, rows), (2, columns)):
        if table is not None:
            torch._check(
                table.dim() == 2 and table.shape[1] == kernel_size, lambda: "sapa: a bias has K columns"
            )
            torch._check(table.shape[0] == query.shape[axis], lambda: "sapa: a bias has the query's size")


def _setup_context(ctx, inputs, output):
    """Keep the inputs only: a window's softmax is cheap to compute again."""
    query, key, value, ctx.kernel_size, ctx.border, rows, columns = inputs
    ctx.save_for_backward(query, key, value, rows, columns)


def _backward(ctx, grad_output):
    query, key, value, rows, columns = ctx.saved_tensors
    *grads, by_tap = backward_op(grad_output, query, key, value, ctx.kernel_size, ctx.border, rows, columns)
    if rows is None:
        return (*grads, None, None, None, None)
    of_rows, of_columns = by_tap.split(ctx.kernel_size, -1)  # (B, H', W', K) or (B, H', W', n, K) each
    heads = range(3, by_tap.dim() - 1)
    return (*grads, None, None, of_rows.sum((0, 2, *heads)), of_columns.sum((0, 1, *heads)))


def _refuse_second_derivative(ctx, *grads):
    raise RuntimeError(
        "sapa: the kernel has no second derivative; choose plain PyTorch with SAPA_BACKEND=plain"
    )


def _forward_batched(info, in_dims, query, key, value, kernel_size, border, rows=None, columns=None):
    """vmap: the new axis joins the batch; where the bias has it too, a loop runs."""
    size = info.batch_size
    if any(dim is not None for dim in in_dims[5:]):
        axes = [
            tensor.unbind(dim) if dim is not None else [tensor] * size
            for tensor, dim in zip(
                (query, key, value, rows, columns), (*in_dims[:3], *in_dims[5:]), strict=True
            )
        ]
        calls = ((q, k, v, kernel_size, border, r, c) for q, k, v, r, c in zip(*axes, strict=True))
        return torch.stack([forward_op(*call) for call in calls]), 0

    def join(tensor, dim):
        tensor = tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        return tensor.flatten(0, 1)

    tensors = [join(tensor, dim) for tensor, dim in zip((query, key, value), in_dims, strict=False)]
    return forward_op(*tensors, kernel_size, border, rows, columns).unflatten(0, (size, -1)), 0


def _forward_flops(query, key, value, kernel_size, border, *args, out_shape=None, **kwargs):
    """2 x multiply-adds of scores and assembly, border taps included."""
    *pixels, embedding = query  # with heads each has its own
    return 2 * kernel_size**2 * prod(pixels) * (embedding + value[-1])


def _backward_flops(grad_output, query, key, value, kernel_size, border, *args, out_shape=None, **kwargs):
    """Scores again, products with the values, and three gradients."""
    *pixels, embedding = query
    return 2 * kernel_size**2 * prod(pixels) * (3 * embedding + 2 * value[-1])


def _register():
    """Register once a library, even where two loaders import this package from one folder."""
    if getattr(ops, "_sapa_registered", False):
        return
    forward, backward = add_op_namespace_prefix("forward"), add_op_namespace_prefix("backward")
    torch.library.register_fake(forward)(_fake_forward)
    torch.library.register_fake(backward)(_fake_backward)
    torch.library.register_autograd(forward, _backward, setup_context=_setup_context)
    torch.library.register_autograd(backward, _refuse_second_derivative)
    torch.library.register_vmap(forward, _forward_batched)
    register_flop_formula(ops.forward)(_forward_flops)
    register_flop_formula(ops.backward)(_backward_flops)
    ops._sapa_registered = True


_register()
