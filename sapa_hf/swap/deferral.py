"""While a host runs, the maps of its sites wait: they are enlarged where their guide comes to meet them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .operations import (
    Kind,
    Resize,
    is_in_place,
    is_pad,
    merge_of,
    only_reads_metadata,
    read_resize,
    shape_after,
)
from .site import MODULES, Site

REMEDY = (
    "The network went another way: call restore_upsampling(model), and replace_upsampling with an example "
    "that goes this way."
)


class Waiting:
    """A map that is not computed yet.

    Attributes:
        stand_in: Takes its place in the network's code: its shape, type and device, and no values (nan).
        site: Where it was to be enlarged.
        call: The function that makes it, its arguments and its named ones.
        parent: The waiting map that this call takes; None where the call is the enlargement.
        value: The map, once it is made.
    """

    def __init__(self, stand_in: torch.Tensor, site: Site, call: tuple, parent: "Waiting | None" = None):
        self.stand_in, self.site, self.call, self.parent = stand_in, site, call, parent
        self.value: torch.Tensor | None = None


class Deferral(TorchFunctionMode):
    """Put off the enlargements of a host's sites until the merge, and the operations between.

    Args:
        host: The module that runs.
        sites: Those that it defers.
        args: What it is called with: the image among them guides what the network gives out.
        kwargs: The same, by name.
    """

    def __init__(self, host: nn.Module, sites: Sequence[Site], args: tuple, kwargs: dict[str, Any]):
        super().__init__()
        self.host, self.sites = host, sites
        self.inputs = args, kwargs
        self.seen: dict[Kind, int] = {}
        self.met: list[str] = []
        self.waiting: list[Waiting] = []  # the newest first

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Run a function, put it off, or make what it waits for."""
        kwargs = kwargs or {}
        if self.waiting and not only_reads_metadata(func):
            args, kwargs = self._settled(args), self._settled(kwargs)
            waiting = self._waiting_in((args, kwargs))
            if waiting:
                return self._meet(func, args, kwargs, waiting)
        resize = read_resize(func, args, kwargs)
        site = None if resize is None else self._site_of(resize)
        if resize is None or site is None:
            return func(*args, **kwargs)
        if site.image is not None:
            return self._enlarge(site, (func, args, kwargs), site.image.among(*self.inputs))
        shape = (resize.feature.shape[0], resize.channels, *resize.size)
        return self._wait(Waiting(_stand_in(resize.feature, shape), site, (func, args, kwargs)))

    def finish(self, output: Any) -> Any:
        """Put the values of maps that have met their guides into what the host gives out.

        Raises:
            RuntimeError: A site's map has not met its guide.
        """
        missing = [site.name for site in self.sites if site.name not in self.met]
        if missing:
            raise RuntimeError(
                f"The replaced upsampling of {', '.join(missing)} did not meet its guide in this run, as it "
                f"did with the example. {REMEDY}"
            )
        return self._settled(output) if self.waiting else output

    def _site_of(self, resize: Resize) -> Site | None:
        order = self.seen.get(resize.kind, 0)
        self.seen[resize.kind] = order + 1
        for site in self.sites:
            if site.kind == resize.kind and site.order == order:
                return site
        return None

    def _wait(self, waiting: Waiting) -> torch.Tensor:
        self.waiting.insert(0, waiting)
        return waiting.stand_in

    def _meet(self, func: Callable, args: tuple, kwargs: dict, waiting: list[Waiting]) -> Any:
        """Run a function that takes waiting maps: a merge makes them, other operations wait with them."""
        merge = merge_of(func, args, kwargs)
        if merge is not None:
            guides = [self._guide(each, *merge) for each in waiting]
            for each, guide in zip(waiting, guides, strict=True):
                self._make(each, guide)
            return func(*self._settled(args), **self._settled(kwargs))
        first = waiting[0]
        shape = shape_after(func, args, kwargs, tuple(first.stand_in.shape))
        if shape is None or len(waiting) > 1:
            raise RuntimeError(
                f"The replaced upsampling of {first.site.name} goes into {getattr(func, '__name__', func)} "
                f"before it meets its guide, which it did not with the example. {REMEDY}"
            )
        stand_in = first.stand_in if is_in_place(func, args, kwargs) else _stand_in(first.stand_in, shape)
        return self._wait(Waiting(stand_in, first.site, (func, args, kwargs), first))

    def _guide(self, waiting: Waiting, name: str, maps: tuple) -> torch.Tensor:
        site = waiting.site
        guides = [maps[place] for place in site.guides if place < len(maps)]
        as_before = (name, len(maps)) == (site.merged, site.operands) and not self._waiting_in(guides)
        if not as_before or any(guide.shape[2:] != waiting.stand_in.shape[2:] for guide in guides):
            raise RuntimeError(
                f"The replaced upsampling of {site.name} must meet its guide in a {site.merged} of "
                f"{site.operands} maps of one size, as with the example; here it is a {name} of the shapes "
                f"{[tuple(part.shape) for part in maps]}. {REMEDY}"
            )
        return guides[0] if len(guides) == 1 else torch.cat(guides, dim=1)

    def _make(self, waiting: Waiting, guide: torch.Tensor | None) -> torch.Tensor:
        """Enlarge for the guide, and do what was put off since; each is done once."""
        if waiting.value is None:
            parent, (function, args, kwargs) = waiting.parent, waiting.call
            if parent is None:
                waiting.value = self._enlarge(waiting.site, waiting.call, guide)
            else:
                waiting.value = self._make(parent, guide)
                # An upsampler has made the guide's size already: a pad to that size is not for it.
                if waiting.site.keeps_call or not is_pad(function):
                    args, kwargs = _exchanged((args, kwargs), parent.stand_in, waiting.value)
                    waiting.value = function(*args, **kwargs)
        return waiting.value

    def _enlarge(self, site: Site, call: tuple, guide: torch.Tensor | None) -> torch.Tensor:
        self.met.append(site.name)
        function, args, kwargs = call
        if site.keeps_call:
            return function(*args, **kwargs)
        module = self.host.get_submodule(site.inner_path)
        resize = read_resize(function, args, kwargs)
        return getattr(module, MODULES)[str(site.call)](guide, resize.feature)  # type: ignore[union-attr]

    def _find(self, tensor: Any) -> Waiting | None:
        for waiting in self.waiting:
            if waiting.stand_in is tensor:
                return waiting
        return None

    def _waiting_in(self, value: Any) -> list[Waiting]:
        """List the maps in a nest of arguments that have not been made."""
        if isinstance(value, torch.Tensor):
            waiting = self._find(value)
            return [] if waiting is None else [waiting]
        if isinstance(value, dict):
            value = tuple(value.values())
        if isinstance(value, (tuple, list)):
            return [waiting for part in value for waiting in self._waiting_in(part)]
        return []

    def _settled(self, value: Any) -> Any:
        """Exchange the stand-ins in a nest of arguments for their maps, where these can be made by now."""
        if isinstance(value, torch.Tensor):
            waiting = self._find(value)
            if waiting is None or not _has_met(waiting):
                return value
            return self._make(waiting, None)
        return _mapped(self._settled, value)


def _has_met(waiting: Waiting) -> bool:
    while waiting.value is None and waiting.parent is not None:
        waiting = waiting.parent
    return waiting.value is not None


def _stand_in(like: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    return like.new_full((), float("nan")).expand(shape)


def _exchanged(value: Any, stand_in: torch.Tensor, by: torch.Tensor) -> Any:
    if isinstance(value, torch.Tensor):
        return by if value is stand_in else value
    return _mapped(lambda part: _exchanged(part, stand_in, by), value)


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """Change the parts of a tuple, list or dictionary, the last in its place; anything else stays."""
    if isinstance(value, dict):
        for key, part in list(value.items()):
            changed = change(part)
            if changed is not part:
                value[key] = changed
        return value
    if isinstance(value, (tuple, list)):
        parts = [change(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
