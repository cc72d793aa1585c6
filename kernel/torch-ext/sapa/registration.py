"""What torch must know about the compiled operators: shapes, gradient, batching and cost."""

import torch
from torch.utils.flop_counter import register_flop_formula

from ._ops import add_op_namespace_prefix, ops

__all__ = ["backward_op", "forward_op"]

forward_op = ops.forward.default
backward_op = ops.backward.default


def _fake_forward(query, key, value, kernel_size, mask):
    """Shape (B, H', W', C), in value's dtype."""
    _check_fake(query, key, value)
    return value.new_empty(value.shape[0], query.shape[1], query.shape[2], value.shape[3])


def _fake_backward(grad_output, query, key, value, kernel_size, mask):
    """One gradient a tensor."""
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _check_fake(query, key, value):
    """The compiled operator's own checks, while tracing."""
    torch._check(
        query.dim() == 4 and key.dim() == 4 and value.dim() == 4, lambda: "sapa: needs three 4-d tensors"
    )
    torch._check(
        query.shape[0] == key.shape[0] and key.shape[0] == value.shape[0], lambda: "sapa: batches differ"
    )
    torch._check(query.shape[3] == key.shape[3], lambda: "sapa: embedding dimensions of query and key differ")
    torch._check(key.shape[1] == value.shape[1], lambda: "sapa: heights of key and value differ")
    torch._check(key.shape[2] == value.shape[2], lambda: "sapa: widths of key and value differ")
    torch._check(query.shape[1] >= key.shape[1], lambda: "sapa: the query's height is below the key's")
    torch._check(query.shape[2] >= key.shape[2], lambda: "sapa: the query's width is below the key's")


def _setup_context(ctx, inputs, output):
    """Keep query, key and value only: a window's softmax is cheap to compute again."""
    query, key, value, ctx.kernel_size, ctx.mask = inputs
    ctx.save_for_backward(query, key, value)


def _backward(ctx, grad_output):
    grads = backward_op(grad_output, *ctx.saved_tensors, ctx.kernel_size, ctx.mask)
    return (*grads, None, None)


def _refuse_second_derivative(ctx, *grads):
    raise RuntimeError(
        "sapa: the kernel has no second derivative; choose plain PyTorch with SAPA_BACKEND=plain"
    )


def _forward_batched(info, in_dims, query, key, value, kernel_size, mask):
    """vmap: the new axis joins the batch."""
    size = info.batch_size

    def join(tensor, dim):
        tensor = tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        return tensor.flatten(0, 1)

    tensors = [join(tensor, dim) for tensor, dim in zip((query, key, value), in_dims, strict=False)]
    return forward_op(*tensors, kernel_size, mask).unflatten(0, (size, -1)), 0


def _forward_flops(query, key, value, kernel_size, mask, *args, out_shape=None, **kwargs):
    """2 x multiply-adds of scores and assembly, border taps included."""
    batch, height, width, embedding = query
    return 2 * kernel_size**2 * batch * height * width * (embedding + value[-1])


def _backward_flops(grad_output, query, key, value, kernel_size, mask, *args, out_shape=None, **kwargs):
    """Scores again, products with the values, and three gradients."""
    batch, height, width, embedding = query
    return 2 * kernel_size**2 * batch * height * width * (3 * embedding + 2 * value[-1])


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
