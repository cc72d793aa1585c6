"""Every upsampler by its name, and the options that configs carry for it."""

from typing import NamedTuple

from .a2u import A2U
from .carafe import CARAFE
from .checks import BORDERS, NORMALIZATIONS, check_choice, check_embedding_dim, check_kernel_size
from .deconv import Deconv
from .dysample import DySample
from .fade import FADE
from .guided_upsampler import GuidedUpsampler
from .indexnet import IndexNet
from .interpolation import Bilinear, Nearest
from .max_unpool import MaxUnpool
from .pixel_shuffle import PixelShuffle
from .sapa import SAPA
from .sapa_d import SAPADeform

OPTIONS = ("kernel_size", "embedding_dim", "normalization", "border")


class Entry(NamedTuple):
    """An upsampler by name.

    Attributes:
        module: Its class.
        options: Those of `OPTIONS` that it has.
        fixed: Arguments that the name decides.
    """

    module: type[GuidedUpsampler]
    options: tuple[str, ...] = ()
    fixed: dict[str, str] = {}


UPSAMPLERS = {
    "nearest": Entry(Nearest),
    "bilinear": Entry(Bilinear),
    "deconv": Entry(Deconv),
    "pixel_shuffle": Entry(PixelShuffle),
    "max_unpool": Entry(MaxUnpool),
    "carafe": Entry(CARAFE, ("kernel_size", "border")),
    "indexnet": Entry(IndexNet),
    "a2u": Entry(A2U, ("border",)),
    "sapa-i": Entry(SAPA, ("kernel_size", "normalization", "border"), {"similarity": "inner"}),
    "sapa-b": Entry(SAPA, OPTIONS, {"similarity": "bilinear"}),
    "sapa-g": Entry(SAPA, OPTIONS, {"similarity": "gated"}),
    "sapa-p": Entry(SAPA, OPTIONS, {"similarity": "addition"}),
    "fade": Entry(FADE, ("kernel_size", "border")),
    "dysample": Entry(DySample),
    "sapa-d": Entry(SAPADeform),
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
        options: kernel_size (SAPA, CARAFE, FADE), embedding_dim and normalization (SAPA), border (SAPA,
            CARAFE, A2U, FADE); an upsampler without one of them ignores it, so that a model can pass the same
            options to all.

    Raises:
        TypeError: An option is unknown or has the wrong type.
        ValueError: The name is unknown, or an option or the channels do not fit.
    """
    check_choice("upsampler", name, tuple(UPSAMPLERS))
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(f"Unknown upsampler options {', '.join(unknown)}; there are {', '.join(OPTIONS)}.")
    check_options(**options)
    module, own, fixed = UPSAMPLERS[name]
    chosen = {option: value for option, value in options.items() if option in own}
    return module(guide_channels, feature_channels, **chosen, **fixed)


def check_options(
    kernel_size: int = 5, embedding_dim: int = 64, normalization: str = "softmax", border: str = "zero"
) -> None:
    """Refuse options that no upsampler could be made with."""
    check_kernel_size(kernel_size)
    check_embedding_dim(embedding_dim)
    check_choice("normalization", normalization, NORMALIZATIONS)
    check_choice("border", border, BORDERS)


def check_config(config) -> None:
    """Refuse a config whose `upsampler` fields do not fit, when the config is made.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or the upsampler needs what these models' encoders do not have.
    """
    check_choice("upsampler", config.upsampler, tuple(UPSAMPLERS))
    if config.upsampler == "max_unpool":
        raise ValueError(
            "upsampler='max_unpool' needs the indices of its encoder's 2 x 2 max pooling, and the encoder of "
            f"{type(config).__name__} has none. Choose another, or use build_upsampler('max_unpool', ...) in "
            "a model that pools so."
        )
    check_options(**config_options(config))


def config_options(config) -> dict:
    """Collect a config's `upsampler_*` fields as the options of `build_upsampler`."""
    return {option: getattr(config, f"upsampler_{option}") for option in OPTIONS}
