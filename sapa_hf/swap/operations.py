"""What PyTorch's functions do to a map that waits for its guide: enlarge it, keep its size, or merge it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

SUMS = {
    torch.add,
    torch.Tensor.add,
    torch.Tensor.add_,
    torch.Tensor.__add__,
    torch.Tensor.__iadd__,
    torch.Tensor.__radd__,
}
CONCATENATIONS = {torch.cat, torch.concat, torch.concatenate}
POINTWISE = {  # a pixel comes from the input's pixel at its place; the number is where `inplace` stands
    F.batch_norm: None,
    F.group_norm: None,
    F.instance_norm: None,
    F.relu: 1,
    F.relu6: 1,
    F.gelu: None,
    F.silu: 1,
    F.leaky_relu: 2,
    F.elu: 2,
    F.prelu: None,
    F.hardswish: 1,
    F.mish: 1,
    F.dropout: 3,
    F.dropout2d: 3,
    torch.relu: None,
    torch.sigmoid: None,
    torch.Tensor.relu: None,
    torch.Tensor.contiguous: None,
    torch.Tensor.clone: None,
    torch.clone: None,
    torch.relu_: 0,  # always
    torch.Tensor.relu_: 0,
}
READS = {  # these look at what kind of tensor it is, never at its values
    torch.Tensor.size,
    torch.Tensor.dim,
    torch.Tensor.numel,
    torch.Tensor.is_floating_point,
    torch.Tensor.is_complex,
    torch.Tensor.get_device,
    torch.is_floating_point,
    torch.is_complex,
    torch.numel,
}
READ_ATTRIBUTES = {"shape", "ndim", "device", "dtype", "layout", "requires_grad", "is_cuda", "is_cpu"}


class Kind(NamedTuple):
    """Which sort of call enlarges a map: calls of one kind are told apart by their order."""

    function: str  # "interpolate" or "conv_transpose2d"
    mode: str
    align_corners: bool
    sized: bool  # by its size, not by a factor

    def __str__(self) -> str:
        """Name it as a reader of the network's code would."""
        if self.function == "conv_transpose2d":
            return self.function
        return f"{self.mode}, align_corners" if self.align_corners else self.mode


class Resize(NamedTuple):
    """One call that changes a map's size.

    Attributes:
        kind: Which sort of call.
        feature: (B, C, H, W).
        channels: Of the result.
        size: (H', W') of the result.
    """

    kind: Kind
    feature: torch.Tensor
    channels: int
    size: tuple[int, int]


def read_resize(function: Callable, args: tuple, kwargs: dict[str, Any]) -> Resize | None:
    """Understand a call that changes the size of a map (B, C, H, W); None if it is no such call."""
    if function is F.interpolate:
        return _read_interpolate(*args, **kwargs)
    if function is F.conv_transpose2d:
        return _read_transposed(*args, **kwargs)
    return None


def _read_interpolate(
    input,  # noqa: A002  # the names are PyTorch's, whose callers may use them
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
) -> Resize | None:
    if input.dim() != 4:
        return None
    if size is None:
        factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
        # A whole factor stays one: an exported program's sizes are symbols.
        rows, columns = (
            low * int(factor) if factor == int(factor) else int(low * factor)
            for low, factor in zip(input.shape[2:], factors, strict=True)
        )
    else:
        rows, columns = size if isinstance(size, (tuple, list)) else (size, size)
    return Resize(
        Kind("interpolate", mode, bool(align_corners), size is not None),
        input,
        input.shape[1],
        (rows, columns),
    )


def _read_transposed(
    input,  # noqa: A002
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
) -> Resize | None:
    if input.dim() != 4:
        return None
    settings = zip(*map(_pair, (stride, padding, output_padding, dilation)), strict=True)
    rows, columns = (
        (low - 1) * step - 2 * pad + spread * (taps - 1) + extra + 1
        for low, taps, (step, pad, extra, spread) in zip(
            input.shape[2:], weight.shape[2:], settings, strict=True
        )
    )
    kind = Kind("conv_transpose2d", "", False, False)
    return Resize(kind, input, weight.shape[1] * groups, (rows, columns))


def shape_after(
    function: Callable, args: tuple, kwargs: dict[str, Any], shape: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Give the shape that a map has after an operation through which it can wait for its guide.

    Args:
        function: One of PyTorch's.
        args: Its arguments; the map is among them.
        kwargs: Its arguments by name.
        shape: (B, C, H', W') of the map.

    Returns:
        The shape, or None if what comes out is no map of that size, made place by place.
    """
    if function in POINTWISE:
        return shape
    if function is F.conv2d:
        return _shape_after_convolution(shape, *args, **kwargs)
    if function is F.pad:
        return _shape_after_pad(shape, *args, **kwargs)
    if function in SUMS and sum(isinstance(value, torch.Tensor) for value in args) == 1:
        return shape  # plus a number
    return None


def is_convolution(function: Callable) -> bool:
    """Say whether an operation of `shape_after` has weights that mix neighbours or channels."""
    return function is F.conv2d


def is_in_place(function: Callable, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Say whether an operation of `shape_after` writes into the map that it takes."""
    if function in SUMS:
        return function in (torch.Tensor.add_, torch.Tensor.__iadd__)
    place = POINTWISE.get(function)
    if place is None:
        return False
    return place == 0 or bool(args[place] if len(args) > place else kwargs.get("inplace", False))


def is_pad(function: Callable) -> bool:
    """Say whether an operation of `shape_after` only fits the map's size to another's."""
    return function is F.pad


def _shape_after_convolution(
    shape,
    input,  # noqa: A002
    weight,
    bias=None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
) -> tuple[int, ...] | None:
    if _pair(stride) != (1, 1):
        return None
    if padding != "same":
        margins = zip(
            weight.shape[2:], _pair(0 if padding == "valid" else padding), _pair(dilation), strict=True
        )
        if any(2 * pad != spread * (taps - 1) for taps, pad, spread in margins):
            return None
    return shape[0], weight.shape[0], *shape[2:]


def _shape_after_pad(
    shape,
    input,  # noqa: A002
    pad,
    mode="constant",
    value=None,
) -> tuple[int, ...] | None:
    if len(pad) != 4 or any(margin not in (0, 1) for margin in pad):
        return None  # more than a row that an odd size lacks
    left, right, top, bottom = pad
    return shape[0], shape[1], shape[2] + top + bottom, shape[3] + left + right


def only_reads_metadata(function: Callable) -> bool:
    """Say whether a function asks for a shape, a type or a device, and not for values."""
    if getattr(function, "__name__", "") == "__get__":
        return getattr(function.__self__, "__name__", "") in READ_ATTRIBUTES  # type: ignore[attr-defined]
    return function in READS


def merge_of(function: Callable, args: tuple, kwargs: dict[str, Any]) -> tuple[str, tuple] | None:
    """Understand a sum or a concatenation over channels: its name and the maps it takes, in order."""
    if function in SUMS:
        maps = (*args[:2], *([kwargs["other"]] if "other" in kwargs else []))
        return "sum", maps
    if function in CONCATENATIONS:
        maps = args[0] if args else kwargs["tensors"]
        dim = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
        return ("concatenation", tuple(maps)) if dim in (1, -3) else None
    return None


def _pair(value) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return tuple(value) if len(value) == 2 else (value[0], value[0])
