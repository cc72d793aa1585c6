"""One run of a network in which every enlarged map is followed to where it is merged."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from .operations import Kind, Resize, is_convolution, merge_of, only_reads_metadata, read_resize, shape_after

Shape = tuple[int, ...]


@dataclass(eq=False)
class Call:
    """A module at work, with the enlargements that have happened inside it."""

    module: nn.Module
    counts: Counter[Kind] = field(default_factory=Counter)


@dataclass(eq=False)
class Enlargement:
    """A call that changed a map's size, and what became of the result.

    Attributes:
        stack: The modules at work, outermost first.
        orders: For each of them, how many calls of this kind it had seen.
        call: How many such calls, of any kind, the innermost module had made.
        end: What ended the wait for a guide; "" while it lasts.
        merged, after, guides, operands, guide: As in `Site`, where it was merged.
        others: How many other enlarged maps were merged with it.
        merge_stack: The modules at work when it was merged.
        is_output: The network gives out the result.
    """

    resize: Resize
    feature: Shape
    output: Shape
    stack: tuple[Call, ...]
    orders: tuple[int, ...]
    call: int
    end: str = ""
    merged: str = ""
    after: tuple[str, ...] = ()
    guides: tuple[int, ...] = ()
    operands: int = 0
    guide: Shape | None = None
    others: int = 0
    merge_stack: tuple[Call, ...] = ()
    is_output: bool = False

    @property
    def enlarges(self) -> bool:
        """Whether the result is larger, and along no axis smaller."""
        before, after = self.feature[2:], self.output[2:]
        return before != after and all(low <= high for low, high in zip(before, after, strict=True))


@dataclass(eq=False)
class Trace:
    """A map that came from an enlargement, and the operations since."""

    tensor: torch.Tensor  # held, so that no other takes its identity
    source: Enlargement
    after: tuple[str, ...] = ()
    convolutions: int = 0


class Recorder(TorchFunctionMode):
    """Watch every call of PyTorch's functions while a network runs."""

    def __init__(self):
        super().__init__()
        self.found: list[Enlargement] = []
        self.stack: list[Call] = []
        self.calls: Counter[nn.Module] = Counter()
        self.traces: dict[int, Trace] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow which module is at work, and every function that it calls."""
        entered = register_module_forward_pre_hook(lambda module, args: self.stack.append(Call(module)))
        left = register_module_forward_hook(self._leave, always_call=True)
        try:
            with self:
                yield
        finally:
            entered.remove()
            left.remove()

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if self.stack:
            self.stack.pop()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Let the function run, and note what it did to the maps that are followed."""
        kwargs = kwargs or {}
        waiting = [] if only_reads_metadata(func) else self._traces_in((args, kwargs))
        result = func(*args, **kwargs)
        if waiting:
            self._follow(func, args, kwargs, waiting, result)
        resize = read_resize(func, args, kwargs)
        if resize is not None:
            self._note(resize, result)
        return result

    def mark_outputs(self, outputs: Any) -> None:
        """Note which enlarged maps the network gives out."""
        for trace in self._traces_in(outputs):
            trace.source.is_output = True

    def _note(self, resize: Resize, result: torch.Tensor) -> None:
        module = self.stack[-1].module
        orders = tuple(call.counts[resize.kind] for call in self.stack)
        found = Enlargement(
            resize,
            tuple(resize.feature.shape),
            tuple(result.shape),
            tuple(self.stack),
            orders,
            self.calls[module],
        )
        for call in self.stack:
            call.counts[resize.kind] += 1
        self.calls[module] += 1
        self.found.append(found)
        if found.enlarges:
            self.traces[id(result)] = Trace(result, found)

    def _follow(self, func, args, kwargs, waiting: list[Trace], result: Any) -> None:
        merge = merge_of(func, args, kwargs)
        if merge is not None and sum(isinstance(part, torch.Tensor) for part in merge[1]) > 1:
            self._note_merge(*merge)
            return
        for trace in waiting:
            shape = shape_after(func, args, kwargs, tuple(trace.tensor.shape))
            convolutions = trace.convolutions + is_convolution(func)
            if shape is None or convolutions > 1 or shape != getattr(result, "shape", None):
                trace.source.end = trace.source.end or _name(func)
            else:
                after = (*trace.after, _name(func))
                self.traces[id(result)] = Trace(result, trace.source, after, convolutions)

    def _note_merge(self, name: str, maps: tuple) -> None:
        traces = [self.traces.get(id(part)) for part in maps]
        waiting = [trace for trace in traces if trace is not None and not trace.source.end]
        shape = maps[0].shape
        fits = all(
            isinstance(part, torch.Tensor)
            and part.dim() == 4
            and (part.shape[0], part.shape[2:]) == (shape[0], shape[2:])
            for part in maps
        )
        guides = tuple(place for place, trace in enumerate(traces) if trace is None or trace.source.end)
        channels = sum(maps[place].shape[1] for place in guides) if fits else 0
        for trace in waiting:
            found = trace.source
            found.end = name if fits else f"a {name} with a map of another shape"
            if not fits:
                continue
            found.merged, found.after, found.guides, found.operands = name, trace.after, guides, len(maps)
            found.guide = (shape[0], channels, *shape[2:]) if guides else None
            found.others = len({id(other.source) for other in waiting}) - 1
            found.merge_stack = tuple(self.stack)

    def _traces_in(self, value: Any) -> list[Trace]:
        if isinstance(value, torch.Tensor):
            trace = self.traces.get(id(value))
            return [] if trace is None else [trace]
        if isinstance(value, dict):
            value = tuple(value.values())
        if isinstance(value, (tuple, list)):
            return [trace for part in value for trace in self._traces_in(part)]
        return []


def _name(function: Any) -> str:
    return getattr(function, "__name__", str(function)).strip("_")
