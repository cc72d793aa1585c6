"""Counting a model while it runs, and an upsampler from its sizes."""

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from ..eval_mode import eval_mode
from .cost import Complexity, Cost
from .formulas import FORMULAS


def count_model(model: PreTrainedModel, height: int = 512, width: int = 512) -> Complexity:
    """Count a model and its upsamplers for one image.

    Args:
        model: Any of our models, or a transformers model without our upsamplers; it runs once on its device.
            On torch's "meta" device counting costs nothing.
        height: Of the input, pixels.
        width: Of the input, pixels.
    """
    whole, upsamplers = _measure(model, _image(model, height, width))
    plain = whole
    if upsamplers and getattr(model, "sizes_follow_values", False):  # another's regions would be others
        added = sum(upsamplers.values(), Cost(0, 0))
        plain = Cost(whole.parameters - added.parameters, whole.multiply_adds - added.multiply_adds)
    elif upsamplers:
        config = copy.deepcopy(model.config)
        config.upsampler = "bilinear"
        with torch.device("meta"):  # shapes are all that counts
            counterpart = type(model)(config)
        plain, _ = _measure(counterpart, _image(counterpart, height, width))
    return Complexity((height, width), whole, plain, upsamplers)


def count_upsamplers(model: nn.Module, height: int = 512, width: int = 512) -> dict[str, Cost]:
    """Count the upsamplers of any model that takes an image, by their names in it.

    One that runs several times is counted as often, its parameters once. Arguments are `count_model`'s.
    """
    with torch.no_grad(), eval_mode(model), _watched(model) as (costs, _):
        model(_image(model, height, width))
    return costs


def count_upsampler(upsampler: nn.Module, guide: tuple[int, int, int], feature: tuple[int, int, int]) -> Cost:
    """Count one upsampler for one image; nothing runs.

    Args:
        upsampler: What `build_upsampler` makes.
        guide: (Cg, H', W').
        feature: (Cf, H, W).

    Raises:
        ValueError: It is not an upsampler of this package, or one that was not made for these shapes.
    """
    name = type(upsampler).__name__
    if name not in FORMULAS:
        raise ValueError(f"The upsampler must be one of {', '.join(FORMULAS)}; got {name!r}.")
    upsampler.check_maps(*(torch.empty(1, *shape, device="meta") for shape in (guide, feature)))
    multiply_adds = FORMULAS[name](upsampler, guide[1:], feature[1:], feature[0])
    return Cost(_parameters(upsampler), multiply_adds)


def _image(model: nn.Module, height: int, width: int) -> torch.Tensor:
    like = next(model.parameters())
    channels = getattr(getattr(model, "config", None), "num_channels", 3)
    return torch.zeros(1, channels, height, width, device=like.device, dtype=like.dtype)


@torch.no_grad()
def _measure(model: nn.Module, image: torch.Tensor) -> tuple[Cost, dict[str, Cost]]:
    """Run a model and count it whole, with the upsamplers inside it by name."""
    # Fused attention kernels are not known to the counter on every device; the plain form is counted exactly.
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
        eval_mode(model),
        _watched(model, counter.get_total_flops) as (upsamplers, excess),
    ):
        model(image)
    total = counter.get_total_flops() // 2 - sum(excess.values())
    return Cost(_parameters(model), total), upsamplers


@contextmanager
def _watched(model: nn.Module, flops: Callable[[], int] = lambda: 0) -> Iterator[tuple[dict, dict]]:
    """Record, for each upsampler that runs, its cost, and what was measured in excess of its formula.

    Args:
        model: What is to run.
        flops: Gives the FLOPs measured so far.
    """
    costs, excess, started, handles = {}, {}, {}, []

    def before(name):
        def hook(part, arguments):
            started[name] = flops()

        return hook

    def after(name):
        def hook(part, arguments, keywords, output):
            called = inspect.signature(part.forward).bind(*arguments, **keywords).arguments
            guide, feature = called["guide"], called["feature"]
            measured = (flops() - started[name]) // 2
            formula = FORMULAS[type(part).__name__]
            exact = formula(part, tuple(guide.shape[2:]), tuple(feature.shape[2:]), output.shape[1])
            costs[name] = costs.get(name, Cost(_parameters(part), 0)) + Cost(0, exact)
            excess[name] = excess.get(name, 0) + measured - exact

        return hook

    try:
        for name, part in model.named_modules():
            # By attribute too: torch has layers of the same names, and remote code has classes of its own.
            if hasattr(part, "reassembles") and type(part).__name__ in FORMULAS:
                handles.append(part.register_forward_pre_hook(before(name)))
                handles.append(part.register_forward_hook(after(name), with_kwargs=True))
        yield costs, excess
    finally:
        for handle in handles:
            handle.remove()


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
