"""The public functions: one that checks its arguments, and one for callers that have checked theirs."""

import torch
from torch.autograd import forward_ad

from .registration import forward_op

__all__ = ["BORDERS", "assemble", "sapa_upsample"]

BORDERS = ("zero", "mask", "shift")  # by their number, which the compiled operator takes


def sapa_upsample(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int = 5,
    border: str = "zero",
    normalization: str = "softmax",
    bias: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Upsample a feature by affiliating each output pixel with the most similar positions of its window.

    Output pixel (i', j') sums the values in the K x K window around ((i' * H) // H', (j' * W) // W'),
    weighted by the softmax of the inner products of its query with the window's keys. Everything is
    channels-last; sums run in float32 (float64 if an input is).

    Args:
        query: (B, H', W', d), from the guide; H' >= H and W' >= W. Or (B, H', W', n, d) with n heads, each
            with its own keys and values.
        key: (B, H, W, d) or (B, H, W, n, d), from the feature.
        value: (B, H, W, C) or (B, H, W, n, C), what is upsampled.
        kernel_size: Odd window size K.
        border: "zero" gives a tap outside the map the logit 0 and the value 0; "mask" leaves it out;
            "shift" moves the window inside, as neighbourhood attention does, and needs K <= H and K <= W.
        normalization: "softmax", the only one that is compiled.
        bias: Logits by place that are added to the inner products, taps outside the map included: (H', K) for
            the rows of each window and (W', K) for its columns, alike for all heads.

    Returns:
        (B, H', W', C) or (B, H', W', n, C) in value's dtype.

    Raises:
        TypeError: A tensor argument is not a floating point tensor, or kernel_size not an integer.
        ValueError: Shapes, devices or names do not fit.
        RuntimeError: Forward-mode AD, or a transform of torch.func other than vmap, is at work.
    """
    if _is_transformed():
        raise RuntimeError(
            "sapa: the kernel has no rule for forward-mode AD, or for torch.func's grad, vjp, jvp and what "
            "they make up; choose plain PyTorch with SAPA_BACKEND=plain, or use torch.autograd.grad"
        )
    if not torch.compiler.is_compiling():
        _check_tensors(query, key, value)
    _check_options(kernel_size, border, normalization)
    if border == "shift":
        _check_shift(kernel_size, key)
    if bias is not None and not torch.compiler.is_compiling():
        _check_bias(bias, query, kernel_size)
    return assemble(query, key, value, kernel_size, border, bias)


def assemble(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int = 5,
    border: str = "zero",
    bias: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Run `sapa_upsample` on arguments that its caller has checked, and under no transform it refuses."""
    dtype = torch.promote_types(torch.promote_types(query.dtype, key.dtype), value.dtype)
    sum_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    tables = (None, None) if bias is None else tuple(table.to(sum_dtype) for table in bias)
    output = forward_op(
        query.to(dtype), key.to(dtype), value.to(dtype), kernel_size, BORDERS.index(border), *tables
    )
    return output.to(value.dtype)  # (B, H', W', C) or (B, H', W', n, C)


@torch.compiler.assume_constant_result
def _is_transformed():
    """Say whether a derivative is asked for that is not registered: torch would take it for zero."""
    functorch = getattr(torch._C, "_functorch", None)
    layers = getattr(functorch, "get_interpreter_stack", tuple)() or ()
    transformed = any(layer.key() != functorch.TransformType.Vmap for layer in layers)
    return transformed or getattr(forward_ad, "_current_level", -1) >= 0


def _check_tensors(query, key, value):
    """Refuse tensors that do not fit together, naming both sides."""
    supported = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if not isinstance(tensor, torch.Tensor) or tensor.dtype not in supported:
            given = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise TypeError(f"{name} must be a float32, float64, bfloat16 or float16 tensor, got {given}.")
        if tensor.dim() not in (4, 5):
            raise ValueError(
                f"{name} must be channels-last (B, H, W, C), or (B, H, W, n, C) with heads, got a tensor of "
                f"shape {tuple(tensor.shape)}."
            )
    if not query.device == key.device == value.device:
        raise ValueError(
            "query, key and value must be on one device, got "
            f"{query.device}, {key.device} and {value.device}."
        )
    if (
        key.shape[:-1] != value.shape[:-1]
        or query.shape[0] != key.shape[0]
        or query.shape[3:] != key.shape[3:]
    ):
        raise ValueError(
            "query (B, H', W', d), key (B, H, W, d) and value (B, H, W, C) must agree in B, H, W and d, and "
            "in the heads before d and C if there are any, got the shapes "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}."
        )
    if min(key.shape[1:3]) < 1 or query.shape[1] < key.shape[1] or query.shape[2] < key.shape[2]:
        raise ValueError(
            f"The query's size {tuple(query.shape[1:3])} must be at least the key's {tuple(key.shape[1:3])} "
            "along both axes, and the key's at least (1, 1): upsampling cannot shrink."
        )


def _check_bias(bias, query, kernel_size):
    """Refuse tables that do not fit the query."""
    for name, table, size in zip(("rows", "columns"), bias, query.shape[1:3], strict=True):
        if not isinstance(table, torch.Tensor) or not table.is_floating_point():
            given = table.dtype if isinstance(table, torch.Tensor) else type(table).__name__
            raise TypeError(f"bias of {name} must be a floating point tensor, got {given}.")
        if table.shape != (size, kernel_size) or table.device != query.device:
            raise ValueError(
                f"bias of {name} must have the shape {(size, kernel_size)} on {query.device}, got "
                f"{tuple(table.shape)} on {table.device}."
            )


def _check_options(kernel_size, border, normalization):
    """Refuse options that name nothing compiled."""
    if isinstance(kernel_size, bool) or not isinstance(kernel_size, int):
        raise TypeError(f"kernel_size must be an odd integer, got {kernel_size!r}.")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and at least 1, got {kernel_size}.")
    if border not in BORDERS:
        raise ValueError(f'border must be "zero", "mask" or "shift", got {border!r}.')
    if normalization != "softmax":
        raise ValueError(
            f'normalization must be "softmax", the only one that is compiled, got {normalization!r}.'
        )


def _check_shift(kernel_size, key):
    """Refuse a map that holds no whole window."""
    if kernel_size > min(key.shape[1:3]):
        raise ValueError(
            f'border "shift" needs a map of at least kernel_size={kernel_size} along both axes, got a key of '
            f"shape {tuple(key.shape)}."
        )
