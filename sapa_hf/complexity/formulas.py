"""Multiply-adds of every upsampler, one small function each.

All take the module, the guide's size (H', W'), the feature's (H, W), and the channels C of the map that is
assembled, and give the multiply-adds for one image. A convolution's are its weights' count times the places
it is applied at. `pixels` are H' W', `positions` H W.
"""

from collections.abc import Callable
from math import prod

from torch import nn

from ..modeling.a2u import FILTER_SIZE
from ..modeling.sapa_d import POINTS
from .cost import Size

Formula = Callable[[nn.Module, Size, Size, int], int]


def nothing(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Nearest, bilinear and max unpooling copy, interpolate or move values: no matrix product."""
    return 0


def gaussian(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count the assembly alone."""
    return prod(guide) * module.kernel_size**2 * channels


def convolution(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count deconvolution (9 C^2 a position) and pixel shuffle (36 C^2)."""
    return prod(feature) * _weights(module.convolution)


def pixel_tcl(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count the two convolutions at the low resolution, and the third at the high one."""
    return prod(feature) * (_weights(module.first, module.diagonal) + 4 * _weights(module.between))


def bilinear_additive(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count the convolution of the doubled sums."""
    return 4 * convolution(module, guide, feature, channels)


def carafe(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count both convolutions at the low resolution, and the assembly."""
    predicted = prod(feature) * _weights(module.compress, module.encode)
    return predicted + prod(guide) * module.kernel_size**2 * channels


def indexnet(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count both convolutions, and the index map's products with the feature: an assembly of one tap."""
    return prod(feature) * _weights(module.context, module.index) + prod(guide) * channels


def a2u(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count the filters, their inner products, the kernels made from these, and the assembly.

    A position costs 2 x 36 Cg (two 6 x 6 filters on every channel of the guide), Cg (the inner product of the
    filtered maps) and 36 (that number times the coefficients of four 3 x 3 kernels). Filters and coefficients
    are predicted once an image.
    """
    width, taps = module.guide_channels, FILTER_SIZE**2
    predicted = taps * _weights(*module.filters) + _weights(module.coefficients)
    position = 2 * taps * width + width + module.coefficients.out_channels
    return predicted + prod(feature) * position + prod(guide) * module.kernel_size**2 * channels


def sapa(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count a SAPA module (Table 1): its projections, and K^2 inner products and weighted sums a pixel."""
    pixels, positions = prod(guide), prod(feature)
    inner = module.similarity == "inner"
    dim = module.guide_channels if inner else module.embedding_dim
    total = pixels * module.kernel_size**2 * (dim + channels)
    if not inner:
        total += pixels * _weights(module.query_guide) + positions * _weights(module.key)
    if module.similarity in ("gated", "addition"):
        total += positions * _weights(module.query_feature)
    if module.similarity == "gated":
        total += positions * _weights(module.gate)
    return total


def fade(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count the convolutions, the shared one at both resolutions, the gate's, and the assembly."""
    from_guide = prod(guide) * _weights(module.compress_guide, module.encode)
    from_feature = prod(feature) * _weights(module.compress_feature, module.encode)
    gate = 0 if module.gate is None else prod(feature) * _weights(module.gate)
    return from_guide + from_feature + gate + prod(guide) * module.kernel_size**2 * channels


def dysample(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count the convolution that predicts offsets; the bilinear reads are interpolation."""
    return prod(feature) * _weights(module.offset)


def sapa_d(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count the projections, and a pixel's inner products with 9 keys and weighted sums of 9 values.

    The bilinear reads of keys and values are interpolation and not counted.
    """
    pixels, dim = prod(guide), module.query.out_channels  # over all groups
    projected = pixels * _weights(module.query) + prod(feature) * _weights(module.key, module.offset)
    return projected + pixels * POINTS * (dim + channels)


def _weights(*layers: nn.Module) -> int:
    return sum(layer.weight.numel() for layer in layers)


# By class name, since a model loaded as remote code has classes of its own.
FORMULAS: dict[str, Formula] = {
    "Nearest": nothing,
    "Bilinear": nothing,
    "Gaussian": gaussian,
    "MaxUnpool": nothing,
    "Deconv": convolution,
    "PixelShuffle": convolution,
    "PixelTCL": pixel_tcl,
    "BilinearAdditive": bilinear_additive,
    "CARAFE": carafe,
    "IndexNet": indexnet,
    "A2U": a2u,
    "SAPA": sapa,
    "FADE": fade,
    "DySample": dysample,
    "SAPADeform": sapa_d,
}
