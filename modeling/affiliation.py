"""The SAPA operator as a function: checks first, then the implementation that was chosen."""

import torch

from .backend import chosen_backend, plain_implementation
from .checks import check_affiliation, check_shift
from .compiled_kernel import find_kernel
from .heads import batch_to_heads, heads_to_batch
from .place_bias import PlaceBias


def sapa_upsample(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int = 5,
    border: str = "zero",
    normalization: str = "softmax",
    backend: str | None = None,
    bias: PlaceBias | None = None,
) -> torch.Tensor:
    """Upsample a feature by affiliating each output pixel with the most similar positions of its window.

    Output pixel (i', j') sums the values in the K x K window around ((i' * H) // H', (j' * W) // W'),
    weighted by the normalised inner products of its query with the window's keys (SAPA, Eq. 3 to 5).
    Everything is channels-last. Arithmetic runs in float32 (float64 if an input is), also under autocast.

    Args:
        query: (B, H', W', d), from the guide; H' >= H and W' >= W. Or (B, H', W', n, d) with n heads, each
            with its own keys and values.
        key: (B, H, W, d) or (B, H, W, n, d), from the feature.
        value: (B, H, W, C) or (B, H, W, n, C), what is upsampled.
        kernel_size: Odd window size K.
        border: "zero" gives a tap outside the map the logit 0 and the value 0, as released; "mask" leaves it
            out; "shift" moves the window inside, as neighbourhood attention does, and needs K <= H, W.
        normalization: "softmax", or Table 4's h in h(l) / (sum of h(l) + 1e-6): "relu", "sigmoid",
            "softplus".
        backend: Which implementation runs, as in `set_backend`; None leaves it to that function and to the
            environment variable SAPA_BACKEND.
        bias: Logits by place that are added to the similarities: (H', K) for the rows of each pixel's window
            and (W', K) for its columns, alike for all heads. Under "zero" a tap outside the map has its bias
            as logit.

    Returns:
        (B, H', W', C) or (B, H', W', n, C) in value's dtype.

    Raises:
        TypeError: A tensor argument is not a floating point tensor, or an option has the wrong type.
        ValueError: Shapes or devices do not fit together, or an option is out of range.
    """
    if not torch.compiler.is_compiling():  # with symbolic sizes every comparison costs a traced guard
        check_affiliation(query, key, value, kernel_size, border, normalization, bias)
    return affiliate(query, key, value, kernel_size, border, normalization, backend, bias)


def affiliate(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int,
    border: str,
    normalization: str = "softmax",
    backend: str | None = None,
    bias: PlaceBias | None = None,
) -> torch.Tensor:
    """Run `sapa_upsample` on arguments that are known to fit, as upsamplers have checked theirs."""
    if border == "shift":
        check_shift(min(key.shape[1:3]), kernel_size)
    backend = chosen_backend(backend)
    kernel = find_kernel(backend, query, key, value, normalization)
    if kernel is not None:
        return kernel.assemble(query, key, value, kernel_size, border, bias)
    implementation = plain_implementation(backend)
    dtype = torch.float64 if torch.float64 in (query.dtype, key.dtype, value.dtype) else torch.float32
    bias = None if bias is None else (bias[0].to(dtype), bias[1].to(dtype))
    maps = (x.to(dtype) for x in (query, key, value))
    if query.dim() == 5:
        maps = (heads_to_batch(x) for x in maps)
    arguments = *maps, kernel_size, border, normalization, bias
    if _autocasts(query.device.type):  # its matrix products would run in half precision
        with torch.autocast(query.device.type, enabled=False):
            output = implementation(*arguments)
    else:
        output = implementation(*arguments)
    if query.dim() == 5:
        output = batch_to_heads(output, query.shape[3])
    return output.to(value.dtype)  # (B, H', W', C) or (B, H', W', n, C)


def _autocasts(device_type: str) -> bool:
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)
