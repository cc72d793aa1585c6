"""Find the places where a network enlarges maps, and say which of them can be replaced."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from ..modeling.upsampler import check_name
from .host import is_host, why_no_host
from .judge import Wish, check_wish, describe, why_not
from .record import Enlargement, Recorder
from .site import Argument, Site, SiteTable
from .trial import call_arguments, run_quietly

START = {"start": "bilinear", "border": "mask"}  # a trained network keeps working


def find_upsampling(
    model: nn.Module,
    example: Any,
    name: str = "sapa-b",
    *,
    sites: Sequence[str] | None = None,
    transposed: bool = False,
    logits: bool = False,
    **options: Any,
) -> SiteTable:
    """Run the network once and list where it enlarges maps; print the result to read it.

    A site is a call of `F.interpolate` (so `nn.Upsample` too) or of a transposed convolution. It can be
    replaced where the result is next summed or concatenated with another map of its size: that map is the
    guide. At most one convolution may lie between, and normalisations and activations.

    Args:
        model: Any network. It runs in evaluation mode, without gradients, and is left as it was.
        example: What it is called with: a tensor, a tuple of arguments or a dictionary of named ones.
        name: The upsampler that is to come, one of `UPSAMPLERS`.
        sites: Replace just these, by their names in the table; None leaves the choice to the rules below.
            Naming a site allows what they leave alone: one of several maps that are enlarged for one merge,
            a transposed convolution, the final resize.
        transposed: Replace transposed convolutions too.
        logits: Replace the final resize too, of a map that the network gives out; the image guides it.
        options: Of `build_upsampler`. SAPA starts where bilinear is (start="bilinear", border="mask").

    Returns:
        The table, which says of each site whether it would be replaced, and else why not.

    Raises:
        TypeError: The model is no module.
        ValueError: The name is unknown, the model has been replaced already, or `sites` names none of its
            sites.
    """
    _check_model(model)
    check_name(name)
    wish = Wish(name, None if sites is None else tuple(sites), transposed, logits, START | options)
    check_wish(wish)
    recorder = Recorder()
    with recorder.watching():
        recorder.mark_outputs(run_quietly(model, example))
    paths = {module: path for path, module in reversed(list(model.named_modules()))}
    found = [each for each in recorder.found if each.stack and each.stack[-1].module in paths]
    table = describe(found, paths, _arguments(model, example))
    _check_names(table, wish)
    table = [
        replace(site, upsampler=name, reason=why_not(each, site, each.stack[-1].module, wish))
        for each, site in zip(found, table, strict=True)
    ]
    return SiteTable(_hosted(found, table, paths))


def _arguments(model: nn.Module, example: Any) -> dict[Argument, Any]:
    """Give the network's arguments, each by its position and its name."""
    args, kwargs = call_arguments(example)
    names = list(inspect.signature(model.forward).parameters)
    arguments = {}
    for place, value in enumerate(args):
        arguments[Argument(place, names[place] if place < len(names) else None)] = value
    for name, value in kwargs.items():
        arguments[Argument(names.index(name) if name in names else None, name)] = value
    return arguments


def _check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
    if any(map(is_host, model.modules())):
        raise ValueError(
            "This model's upsampling has been replaced already: call restore_upsampling(model) first."
        )


def _check_names(table: Sequence[Site], wish: Wish) -> None:
    names = [site.name for site in table]
    unknown = sorted(set(wish.sites or ()) - set(names))
    if unknown:
        known = ", ".join(names) or "none, because there are no sites"
        raise ValueError(f"sites must be among {known}; got {', '.join(unknown)}.")


def _hosted(found: Sequence[Enlargement], table: Sequence[Site], paths: dict[nn.Module, str]) -> list[Site]:
    """Give each site that is replaced its host: the innermost module that sees the call and the merge.

    A host inside another hands its sites to it, so that one alone counts the calls.
    """
    innermost = {
        number: _innermost(each, paths)
        for number, (each, site) in enumerate(zip(found, table, strict=True))
        if not site.reason
    }
    hosts = {found[number].stack[depth].module for number, depth in innermost.items()}
    hosted = list(table)
    first: dict[tuple, Site] = {}
    for number in innermost:
        each, site = found[number], table[number]
        depth = next(place for place, call in enumerate(each.stack) if call.module in hosts)
        host = each.stack[depth].module
        site = replace(site, host=paths[host], order=each.orders[depth], reason=why_no_host(host))
        # A host that runs again has the same sites again.
        known = first.setdefault((site.host, site.kind, site.order), site)
        if _channels(known) != _channels(site):
            site = replace(site, reason="its module runs again with other channels")
        hosted[number] = site
    return hosted


def _channels(site: Site) -> tuple[int, int]:
    return site.feature[1], 0 if site.guide is None else site.guide[1]


def _innermost(each: Enlargement, paths: dict[nn.Module, str]) -> int:
    if not each.merged:
        return 0
    pairs = zip(each.stack, each.merge_stack, strict=False)
    shared = [
        depth for depth, (before, after) in enumerate(pairs) if before is after and before.module in paths
    ]
    return shared[-1]
