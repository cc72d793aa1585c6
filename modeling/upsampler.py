"""Every upsampler by its name, and the options that configs carry for it."""

from torch import nn

from .affiliation import BORDERS, NORMALIZATIONS, check_choice, check_kernel_size
from .interpolation import Bilinear, Nearest
from .sapa import SAPA, check_embedding_dim

OPTIONS = ("kernel_size", "embedding_dim", "normalization", "border")


def _sapa(similarity: str):
    def build(guide_channels: int, feature_channels: int, **options) -> nn.Module:
        return SAPA(guide_channels, feature_channels, similarity=similarity, **options)

    return build


def _plain(module: type[nn.Module]):
    def build(guide_channels: int, feature_channels: int, **options) -> nn.Module:
        return module()

    return build


UPSAMPLERS = {
    "nearest": _plain(Nearest),
    "bilinear": _plain(Bilinear),
    "sapa-i": _sapa("inner"),
    "sapa-b": _sapa("bilinear"),
    "sapa-g": _sapa("gated"),
    "sapa-p": _sapa("addition"),
}


def build_upsampler(name: str, guide_channels: int, feature_channels: int, **options) -> nn.Module:
    """Make the upsampler of that name; every one is called as `upsampler(guide, feature)`.

    The guide is the high-resolution encoder feature (B, Cg, H', W'), the feature the low-resolution decoder
    feature (B, Cf, H, W); the result is (B, Cf, H', W'). A module whose `reassembles` is true sums positions
    with weights shared by all channels and takes a third argument, another map to assemble in the feature's
    stead.

    Args:
        name: "nearest", "bilinear", "sapa-i", "sapa-b", "sapa-g" or "sapa-p".
        guide_channels: Cg.
        feature_channels: Cf.
        options: kernel_size, embedding_dim, normalization, border; an upsampler without one of them ignores
            it, so that a model can pass the same options to all.

    Raises:
        TypeError: An option is unknown or has the wrong type.
        ValueError: The name is unknown, or an option does not fit.
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
        ValueError: A field has a wrong value.
    """
    check_choice("upsampler", config.upsampler, tuple(UPSAMPLERS))
    check_options(**config_options(config))


def config_options(config) -> dict:
    """Collect a config's `upsampler_*` fields as the options of `build_upsampler`."""
    return {option: getattr(config, f"upsampler_{option}") for option in OPTIONS}
