"""The SAPA operator as a function: checks first, then the arithmetic."""

import torch

from .checks import check_choice, check_kernel_size, check_sizes
from .hub_kernel import find_kernel
from .reference import tiled_affiliation
from .windowed import windowed_affiliation

BORDERS = ("zero", "mask")
NORMALIZATIONS = ("softmax", "relu", "sigmoid", "softplus")


def sapa_upsample(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int = 5,
    border: str = "zero",
    normalization: str = "softmax",
    kernel: str | None = None,
) -> torch.Tensor:
    """Upsample a feature by affiliating each output pixel with the most similar positions of its window.

    Output pixel (i', j') sums the values in the K x K window around ((i' * H) // H', (j' * W) // W'),
    weighted by the normalised inner products of its query with the window's keys (SAPA, Eq. 3 to 5).
    Everything is channels-last. Arithmetic runs in float32 (float64 if an input is), also under autocast.

    Args:
        query: (B, H', W', d), from the guide; H' >= H and W' >= W.
        key: (B, H, W, d), from the feature.
        value: (B, H, W, C), what is upsampled.
        kernel_size: Odd window size K.
        border: "zero" gives a tap outside the map the logit 0 and the value 0, as released; "mask" leaves it
            out.
        normalization: "softmax", or Table 4's h in h(l) / (sum of h(l) + 1e-6): "relu", "sigmoid",
            "softplus".
        kernel: Which code runs, as in `set_kernel`; None leaves it to that function and to SAPA_KERNEL.

    Returns:
        (B, H', W', C) in value's dtype.

    Raises:
        TypeError: An argument is no floating point tensor.
        ValueError: Shapes, devices, kernel size or names do not fit.
    """
    if not torch.compiler.is_compiling():  # with symbolic sizes every comparison costs a traced guard
        check_affiliation(query, key, value, kernel_size, border, normalization)
    compiled = find_kernel(query, key, value, normalization, kernel)
    if compiled is not None:
        return compiled.sapa_upsample(query, key, value, kernel_size, border)
    dtype = torch.float64 if torch.float64 in (query.dtype, key.dtype, value.dtype) else torch.float32
    arguments = query.to(dtype), key.to(dtype), value.to(dtype), kernel_size, border, normalization
    affiliation = windowed_affiliation if _prefers_windows() else tiled_affiliation
    if _autocasts(query.device.type):  # its matrix products would run in half precision
        with torch.autocast(query.device.type, enabled=False):
            output = affiliation(*arguments)
    else:
        output = affiliation(*arguments)
    return output.to(value.dtype)


def _autocasts(device_type: str) -> bool:
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)


def _prefers_windows() -> bool:
    """Say whether a graph without gradients is traced: there, and only there, fused gathers beat tiles."""
    if torch.compiler.is_exporting():
        return True
    return torch.compiler.is_compiling() and not torch.is_grad_enabled()


def check_affiliation(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int,
    border: str,
    normalization: str,
) -> None:
    """Refuse arguments of `sapa_upsample` that do not fit together, saying what came and what is needed."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            came = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise TypeError(f"{name} must be a floating point tensor, but {came} came.")
        if tensor.dim() != 4:
            raise ValueError(
                f"{name} must be channels-last (B, H, W, C), but its shape is {tuple(tensor.shape)}."
            )
    if not query.device == key.device == value.device:
        raise ValueError(
            "query, key and value must be on one device, but are on "
            f"{query.device}, {key.device} and {value.device}."
        )
    if key.shape[:3] != value.shape[:3] or query.shape[0] != key.shape[0] or query.shape[3] != key.shape[3]:
        raise ValueError(
            "query (B, H', W', d), key (B, H, W, d) and value (B, H, W, C) must agree in B, H, W and d, but "
            f"their shapes are {tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}."
        )
    check_sizes(query.shape[1:3], key.shape[1:3])
    check_choice("border", border, BORDERS)
    check_choice("normalization", normalization, NORMALIZATIONS)
    check_kernel_size(kernel_size)
