"""The module whose run a swap governs: its class is replaced by one that lets maps wait for their guides."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .deferral import Deferral
from .site import MODULES, Site

SITES = "_replaced_upsampling"  # attribute of a host: its sites


def make_host(module: nn.Module, sites: Sequence[Site]) -> None:
    """Let a module's run defer these sites to their merges."""
    original: Any = type(module)
    setattr(module, SITES, tuple(sites))
    module.__class__ = _host_class(original, any("pad" in site.after for site in sites))


def is_host(module: nn.Module) -> bool:
    """Say whether `make_host` changed a module."""
    return SITES in vars(module)


def unmake_host(module: nn.Module) -> None:
    """Undo `make_host`, and take the upsamplers of its sites out."""
    for site in getattr(module, SITES):
        owner = module.get_submodule(site.inner_path)
        if hasattr(owner, MODULES):
            delattr(owner, MODULES)
    module.__class__ = type(module).original_class  # type: ignore[attr-defined]  # of a host's class
    delattr(module, SITES)


def why_no_host(module: nn.Module) -> str:
    """Say why a module cannot be a host; "" if it can."""
    if isinstance(module, (torch.jit.ScriptModule, torch.fx.GraphModule)):
        return f"{type(module).__name__} runs fixed code; replace before it is traced"
    if "forward" in vars(module):
        return "another library has replaced its module's forward; replace before that"
    return ""


@functools.cache
def _host_class(original: Any, pads: bool) -> Any:
    """Make the subclass of a module's class whose forward lets maps wait for their guides.

    torch.compile does not show `F.pad` to a function mode: where a map is padded, it must leave the host out.
    """

    @functools.wraps(original.forward)
    def forward(self, *args, **kwargs):
        deferral = Deferral(self, getattr(self, SITES), args, kwargs)
        with deferral:
            output = original.forward(self, *args, **kwargs)
        return deferral.finish(output)

    if pads:
        forward = torch.compiler.disable(forward, reason="a map whose upsampling was replaced is padded")

    def reduce_ex(self, protocol):
        reduced = original.__reduce_ex__(self, protocol)
        if reduced[0].__name__ != "__newobj__":
            return reduced
        return (_new_host, (original, pads), *reduced[2:])

    body: dict[str, Any] = {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        "__reduce_ex__": reduce_ex,
        "forward": forward,
        "original_class": original,
    }
    return type(original.__name__, (original,), body)


def _new_host(original: Any, pads: bool) -> nn.Module:
    """Make an empty host; pickle and copy fill it."""
    cls = _host_class(original, pads)
    return cls.__new__(cls)
