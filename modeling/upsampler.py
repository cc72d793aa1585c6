"""Every upsampler by its name, and the options that configs carry for it."""

from collections.abc import Callable

from .a2u import A2U
from .affiliation import BORDERS, NORMALIZATIONS
from .carafe import CARAFE
from .checks import check_choice, check_embedding_dim, check_kernel_size
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


def _with(module: type[GuidedUpsampler], *options: str, **fixed) -> Callable[..., GuidedUpsampler]:
    """Give a function that makes the module with those of the caller's options that it has."""

    def build(guide_channels: int, feature_channels: int, **chosen) -> GuidedUpsampler:
        own = {name: value for name, value in chosen.items() if name in options}
        return module(guide_channels, feature_channels, **own, **fixed)

    return build


UPSAMPLERS = {
    "nearest": _with(Nearest),
    "bilinear": _with(Bilinear),
    "deconv": _with(Deconv),
    "pixel_shuffle": _with(PixelShuffle),
    "max_unpool": _with(MaxUnpool),
    "carafe": _with(CARAFE, "kernel_size", "border"),
    "indexnet": _with(IndexNet),
    "a2u": _with(A2U, "border"),
    "sapa-i": _with(SAPA, *OPTIONS, similarity="inner"),
    "sapa-b": _with(SAPA, *OPTIONS, similarity="bilinear"),
    "sapa-g": _with(SAPA, *OPTIONS, similarity="gated"),
    "sapa-p": _with(SAPA, *OPTIONS, similarity="addition"),
    "fade": _with(FADE, "kernel_size", "border"),
    "dysample": _with(DySample),
    "sapa-d": _with(SAPADeform),
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
    return UPSAMPLERS[name](guide_channels, feature_channels, **options)


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
