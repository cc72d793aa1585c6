"""Every upsampler by its name: its class, its options and what the package says of it."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from .a2u import A2U
from .bilinear_additive import BilinearAdditive
from .carafe import CARAFE
from .checks import (
    BORDERS,
    NORMALIZATIONS,
    STARTS,
    check_choice,
    check_embedding_dim,
    check_heads,
    check_kernel_size,
)
from .deconv import Deconv
from .dysample import DySample
from .fade import FADE
from .gaussian import Gaussian
from .guided_upsampler import GuidedUpsampler
from .indexnet import IndexNet
from .interpolation import Bilinear, Nearest
from .max_unpool import MaxUnpool
from .pixel_shuffle import PixelShuffle
from .pixel_tcl import PixelTCL
from .sapa import SAPA
from .sapa_d import SAPADeform

CHECKS: dict[str, Callable[[Any], None]] = {  # of every option that an upsampler can have
    "kernel_size": check_kernel_size,
    "embedding_dim": check_embedding_dim,
    "normalization": partial(check_choice, "normalization", choices=NORMALIZATIONS),
    "border": partial(check_choice, "border", choices=BORDERS),
    "start": partial(check_choice, "start", choices=STARTS),
    "heads": check_heads,
}
OPTIONS = tuple(CHECKS)


class Entry(NamedTuple):
    """All that the package says of an upsampler, beside its class.

    Attributes:
        module: Its class.
        description: One line for cards and pictures: what it does.
        options: Those of `OPTIONS` that it has.
        fixed: Arguments that the name decides.
        is_plain: A fixed interpolation, which learns nothing and looks at no guide.
        needs_indices: Its third argument are the indices of the encoder's pooling.
    """

    module: type[GuidedUpsampler]
    description: str
    options: tuple[str, ...] = ()
    fixed: Mapping[str, str] = MappingProxyType({})
    is_plain: bool = False
    needs_indices: bool = False


UPSAMPLERS = {
    "nearest": Entry(Nearest, "nearest neighbour", is_plain=True),
    "bilinear": Entry(Bilinear, "bilinear interpolation", is_plain=True),
    "gaussian": Entry(
        Gaussian,
        "a Gaussian of the distance whose width is learnt: SAPA's bilinear start without its similarity",
        ("kernel_size", "border"),
    ),
    "deconv": Entry(Deconv, "transposed convolution"),
    "pixel_shuffle": Entry(PixelShuffle, "pixel shuffle: a convolution whose channels become pixels"),
    "pixel_tcl": Entry(PixelTCL, "PixelTCL: convolutions that fill in pixels one after the other"),
    "bilinear_additive": Entry(
        BilinearAdditive, "bilinear additive: four channels summed and interpolated, and a convolution"
    ),
    "max_unpool": Entry(
        MaxUnpool,
        "max unpooling: each feature goes back to the pixel that the encoder's pooling took it from",
        needs_indices=True,
    ),
    "carafe": Entry(
        CARAFE, "CARAFE: window kernels predicted from the decoder feature", ("kernel_size", "border")
    ),
    "indexnet": Entry(IndexNet, "IndexNet: nearest neighbour, times an index map read from the encoder map"),
    "a2u": Entry(
        A2U,
        "A2U: 3 x 3 window kernels predicted from the encoder map's second-order statistics",
        ("border",),
    ),
    "sapa-i": Entry(
        SAPA,
        "SAPA-I: inner products of the normalised guide and feature, no parameters",
        ("kernel_size", "normalization", "border", "heads"),
        {"similarity": "inner"},
    ),
    "sapa-b": Entry(
        SAPA, "SAPA-B: inner products of projected guide and feature", OPTIONS, {"similarity": "bilinear"}
    ),
    "sapa-g": Entry(
        SAPA,
        "SAPA-G: as SAPA-B, with a gate that mixes the feature into the query",
        OPTIONS,
        {"similarity": "gated"},
    ),
    "sapa-p": Entry(
        SAPA,
        "SAPA-P: as SAPA-B, with the feature added to the query",
        OPTIONS,
        {"similarity": "addition"},
    ),
    "fade": Entry(
        FADE,
        "FADE: window kernels predicted from encoder map and decoder feature",
        ("kernel_size", "border"),
    ),
    "dysample": Entry(DySample, "DySample: bilinear reads at points that the decoder feature shifts"),
    "sapa-d": Entry(
        SAPADeform,
        "SAPA-D: similarity with nine points that the decoder feature places, in place of a window",
    ),
}


def build_upsampler(name: str, guide_channels: int, feature_channels: int, **options) -> GuidedUpsampler:
    """Make the upsampler of that name; every one is called as `upsampler(guide, feature)`.

    The guide is the high-resolution encoder feature (B, Cg, H', W'), the feature the low-resolution decoder
    feature (B, Cf, H, W); the result is (B, Cf, H', W'). "max_unpool" needs its encoder's pooling indices as
    third argument. See `GuidedUpsampler` for what all have in common, and each class for what it is.

    Args:
        name: One of `UPSAMPLERS`.
        guide_channels: Cg.
        feature_channels: Cf.
        options: kernel_size (SAPA, CARAFE, FADE), embedding_dim, normalization, start and heads (SAPA),
            border (SAPA, CARAFE, A2U, FADE); an upsampler without one of them ignores it, so that a model
            can pass the same options to all.

    Raises:
        TypeError: An option is unknown or has the wrong type.
        ValueError: The name is unknown, or an option or the channels do not fit.
    """
    check_name(name)
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(
            f"The options of an upsampler must be among {', '.join(OPTIONS)}; got {', '.join(unknown)}."
        )
    check_options(**options)
    entry = UPSAMPLERS[name]
    chosen = {option: value for option, value in options.items() if option in entry.options}
    return entry.module(guide_channels, feature_channels, **chosen, **entry.fixed)


def check_name(name: str) -> None:
    """Refuse a name that no upsampler has, and list those there are."""
    check_choice("upsampler", name, tuple(UPSAMPLERS))


def check_options(**options) -> None:
    """Refuse values of options that no upsampler could be made with."""
    for name, value in options.items():
        CHECKS[name](value)
