"""Put another upsampler into a network, and take it out again."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn

from ..modeling.upsampler import build_upsampler
from .find import START, find_upsampling
from .host import is_host, make_host, unmake_host
from .site import MODULES, Site, SiteTable
from .transposed import TransposedUpsampler
from .trial import gives_nan


def replace_upsampling(
    model: nn.Module,
    name: str,
    example: Any,
    *,
    sites: Sequence[str] | None = None,
    transposed: bool = False,
    logits: bool = False,
    **options: Any,
) -> SiteTable:
    """Replace a network's upsampling; see `find_upsampling` for the arguments and for what is replaced.

    The upsamplers are parameters of the network from now on: make the optimizer afterwards. They stand in its
    `state_dict` under the path of the module that makes the call, as `guided_upsamplers`. To load such
    weights, replace in the same way first.

    Args:
        model: Any network; it is changed in place.
        name: One of `UPSAMPLERS`. Where it names what is there, "bilinear" or "nearest", nothing changes.
        example: What the network is called with.
        sites: Replace just these.
        transposed: Replace transposed convolutions too.
        logits: Replace the final resize too.
        options: Of `build_upsampler`.

    Returns:
        The table of sites, as `find_upsampling` gives it: what was replaced, and what was not.

    Raises:
        TypeError: The model is no module, or an option has the wrong type.
        ValueError: No site can be replaced, or one of `sites` cannot be, or the swapped network does not run.
    """
    table = find_upsampling(
        model, example, name, sites=sites, transposed=transposed, logits=logits, **options
    )
    refused = [site for site in table if site.reason and site.name in (sites or ())]
    if refused or not table.replaced:
        raise ValueError(f"{_refusal(refused)}\n{table}")
    for site in table.replaced:
        if not site.keeps_call:
            _install(model, site, START | options)
    hosts = {site.host for site in table.replaced}
    for path in hosts:
        mine = [site for site in table.replaced if site.host == path]
        make_host(model.get_submodule(path), mine)
    _try(model, example)
    return table


def restore_upsampling(model: nn.Module) -> None:
    """Undo `replace_upsampling`: the network is as it was, less what its other weights have learnt since.

    Raises:
        ValueError: Nothing in the model has been replaced.
    """
    hosts = [module for module in model.modules() if is_host(module)]
    if not hosts:
        raise ValueError("Nothing to restore: this model's upsampling has not been replaced.")
    for host in hosts:
        unmake_host(host)


def _try(model: nn.Module, example: Any) -> None:
    """Run the swapped network once, and undo the swap if that goes wrong."""
    try:
        if not gives_nan(model, example):
            return
    except BaseException:
        restore_upsampling(model)
        raise
    restore_upsampling(model)
    if gives_nan(model, example):
        raise ValueError("The network must give numbers, and gives nan: use another example, or mend it.")
    raise ValueError(
        "Nothing was replaced: the network gives an enlarged map to code that a swap does not see, such as "
        "a scripted function. Name the other sites by sites=[...]."
    )


def _refusal(refused: Sequence[Site]) -> str:
    if refused:
        return "; ".join(f"{site.name} cannot be replaced: {site.reason}" for site in refused) + "."
    return "This network has no upsampling that can be replaced:"


def _install(model: nn.Module, site: Site, options: dict[str, Any]) -> None:
    """Make a site's upsampler, where the weights of its host are and of their type."""
    module = model.get_submodule(site.path)
    if MODULES not in module._modules:
        module.add_module(MODULES, nn.ModuleDict())
    made = getattr(module, MODULES)
    if str(site.call) in made:
        return  # the host ran more than once
    made[str(site.call)] = _build(module, site, options)
    # The first weights in the network are elsewhere where it is spread over devices.
    nearby = chain(model.get_submodule(site.host).parameters(), model.parameters())
    weights = next((each for each in nearby if each.is_floating_point()), torch.empty(0))
    made[str(site.call)].to(device=weights.device, dtype=weights.dtype).train(module.training)


def _build(module: nn.Module, site: Site, options: dict[str, Any]) -> nn.Module:
    """Make the upsampler for a site's channels; in place of a transposed convolution it changes them."""
    assert site.guide is not None
    upsampler = build_upsampler(site.upsampler, site.guide[1], site.output[1], **options)
    return TransposedUpsampler(module, upsampler) if isinstance(module, nn.ConvTranspose2d) else upsampler
