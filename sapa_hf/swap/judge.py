"""Decide of each enlargement whether another upsampler can take its place."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ..modeling.upsampler import UPSAMPLERS, build_upsampler
from .record import Enlargement
from .site import MODULES, Argument, Site
from .transposed import why_no_transposed


class Wish(NamedTuple):
    """What is to be replaced: the arguments of `find_upsampling`."""

    name: str
    sites: tuple[str, ...] | None
    transposed: bool
    logits: bool
    options: dict[str, Any]


def describe(
    found: Sequence[Enlargement], paths: dict[nn.Module, str], arguments: dict[Argument, Any]
) -> list[Site]:
    """Name the enlargements and write down what became of them.

    Args:
        found: The enlargements, in order.
        paths: Of the network's modules.
        arguments: What the network was called with: one may be the image that guides what it gives out.
    """
    owners = [paths[each.stack[-1].module] for each in found]
    many = Counter(owners)
    sites = []
    for each, path in zip(found, owners, strict=True):
        name = path or "(network)"
        image = _image(arguments, each.output) if each.is_output and not each.merged else None
        sites.append(
            Site(
                name=f"{name}#{each.call}" if many[path] > 1 else name,
                path=path,
                call=each.call,
                kind=each.resize.kind,
                feature=each.feature,
                output=each.output,
                guide=each.guide if image is None else tuple(arguments[image].shape),
                merged=each.merged,
                after=each.after,
                guides=each.guides,
                operands=each.operands,
                image=image,
            )
        )
    return sites


def _image(arguments: dict[Argument, Any], output: tuple[int, ...]) -> Argument | None:
    """Choose the argument that is as large as the output."""
    size = output[0], *output[2:]
    for argument, value in arguments.items():
        is_map = isinstance(value, torch.Tensor) and value.dim() == 4 and value.is_floating_point()
        if is_map and (value.shape[0], *value.shape[2:]) == size:
            return argument
    return None


def why_not(each: Enlargement, site: Site, owner: nn.Module, wish: Wish) -> str:
    """Say why a site is not replaced; "" if it is."""
    return (
        _why_impossible(each, site, owner)
        or _why_left_alone(each, site, wish)
        or _why_unfit(each, site, wish)
    )


def _why_impossible(each: Enlargement, site: Site, owner: nn.Module) -> str:
    if not each.enlarges:
        return "it does not enlarge the map"
    if isinstance(owner, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return f"its module is a {type(owner).__name__}, which would run the parameters as a step"
    if hasattr(owner, MODULES):
        return f"its module has {MODULES} already"
    if each.is_output and not each.merged:
        return "" if site.image is not None else "the network gives it out, and no image has its size"
    if not each.end:
        return "it is merged with nothing"
    if not each.merged:
        return f"it goes into {each.end} before it is merged"
    if site.guide is None:
        return "it is merged with other enlarged maps alone, and none can guide"
    if tuple(each.feature[2:]) == (1, 1):
        return "its feature is a single position (a larger example may help)"
    return why_no_transposed(owner) if site.kind.function == "conv_transpose2d" else ""


def _why_left_alone(each: Enlargement, site: Site, wish: Wish) -> str:
    if wish.sites is not None:
        return "" if site.name in wish.sites else "not among the sites asked for"
    if each.is_output and not each.merged:
        return "" if wish.logits else "the network gives it out (logits=True)"
    if site.kind.function == "conv_transpose2d" and not wish.transposed:
        return "a transposed convolution (transposed=True)"
    if each.others:
        return f"{each.others + 1} enlarged maps are merged at once (name it in sites)"
    return ""


def _why_unfit(each: Enlargement, site: Site, wish: Wish) -> str:
    """Try the upsampler on sizes alone: the meta device computes nothing."""
    if wish.name == site.kind.mode or site.guide is None:
        return ""
    guide, feature = site.guide, (each.feature[0], each.resize.channels, *each.feature[2:])
    try:
        with torch.device("meta"):
            upsampler = build_upsampler(wish.name, guide[1], feature[1], **wish.options)
            upsampler.check_maps(torch.empty(guide), torch.empty(feature))
    except ValueError as refusal:
        return f"{wish.name} does not fit: {refusal}"
    return ""


def check_wish(wish: Wish) -> None:
    """Refuse an upsampler that needs more than a guide, and options that fit no channels."""
    if UPSAMPLERS[wish.name].needs_indices:
        raise ValueError(
            f"name={wish.name!r} needs the indices of its encoder's pooling, which a swap does not have. "
            "Choose another, such as 'sapa-b'."
        )
    with torch.device("meta"):
        build_upsampler(wish.name, 8, 8, **wish.options)
