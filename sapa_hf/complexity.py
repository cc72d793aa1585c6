"""Parameters and multiply-adds of our models and of their upsamplers alone.

What is counted is what papers of this field count, for one image: the multiply-adds of matrix products and
convolutions. Normalisation, softmax, activations, the gate's mixing and interpolation are left out. FLOPs are
2 x multiply-adds.

- Everything but SAPA is measured by `torch.utils.flop_counter` while the model runs.
- SAPA is counted by formula: its projections, and K^2 (d + C) multiply-adds an output pixel. The reference
  computes whole tiles, 2.6 times that for K = 5, which says nothing about the operator.

Two figures of a whole model differ. The paper adds its upsamplers to the plain model, whose head concatenates
four upsampled maps and fuses them at 1/4 (`Complexity.paper`). Our SegFormer head fuses before each last
step, where the maps are four times smaller: the same result for less arithmetic (`Complexity.model`). And
the paper's Table 1 counts two projections for SAPA-G where its formula and the released code have three, as
we do.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

Size = tuple[int, int]


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds for one image."""

    parameters: int
    multiply_adds: int

    @property
    def flops(self) -> int:
        """Floating point operations: 2 x multiply-adds."""
        return 2 * self.multiply_adds

    def __add__(self, other: "Cost") -> "Cost":
        """Sum two parts."""
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


@dataclass(frozen=True)
class Complexity:
    """What a model costs at one input size.

    Attributes:
        size: Height and width of the input.
        model: The model as it computes here.
        plain: The same model with bilinear upsampling.
        upsamplers: Each upsampler by its name in the model.
    """

    size: Size
    model: Cost
    plain: Cost
    upsamplers: dict[str, Cost]

    @property
    def added(self) -> Cost:
        """All upsamplers together."""
        return sum(self.upsamplers.values(), Cost(0, 0))

    @property
    def paper(self) -> Cost:
        """The plain model and the upsamplers on top, as the paper counts."""
        return self.plain + self.added


def sapa_multiply_adds(module: nn.Module, guide: Size, feature: Size, channels: int) -> int:
    """Count a SAPA module (Table 1): its projections, and K^2 inner products and weighted sums a pixel.

    Args:
        module: The module.
        guide: H', W'.
        feature: H, W.
        channels: C of the map that is assembled.
    """
    pixels, positions = guide[0] * guide[1], feature[0] * feature[1]
    inner = module.similarity == "inner"
    dim = module.guide_channels if inner else module.embedding_dim
    total = pixels * module.kernel_size**2 * (dim + channels)
    if not inner:
        total += pixels * module.guide_channels * dim + positions * module.feature_channels * dim
    if module.similarity in ("gated", "addition"):
        total += positions * module.feature_channels * dim
    if module.similarity == "gated":
        total += positions * module.feature_channels
    return total


# Upsamplers by class name, since a model loaded as remote code has classes of its own. One with a formula
# declares it here; None is measured.
UPSAMPLERS: dict[str, Callable[[nn.Module, Size, Size, int], int] | None] = {
    "Nearest": None,
    "Bilinear": None,
    "SAPA": sapa_multiply_adds,
}


def count_model(model: PreTrainedModel, height: int = 512, width: int = 512) -> Complexity:
    """Count a model and its upsamplers for one image.

    Args:
        model: Any of our models, or a transformers model without our upsamplers; it runs once on its device.
        height: Of the input, pixels.
        width: Of the input, pixels.
    """
    pixels = torch.zeros(1, 3, height, width, device=model.device, dtype=model.dtype)
    whole, upsamplers = _measure(model, pixels)
    plain = whole
    if upsamplers:
        config = copy.deepcopy(model.config)
        config.upsampler = "bilinear"
        plain, _ = _measure(type(model)(config), pixels.cpu().float())
    return Complexity((height, width), whole, plain, upsamplers)


def count_upsampler(upsampler: nn.Module, guide: tuple[int, int, int], feature: tuple[int, int, int]) -> Cost:
    """Count one upsampler for one image.

    Args:
        upsampler: What `build_upsampler` makes.
        guide: (Cg, H', W').
        feature: (Cf, H, W).
    """
    if type(upsampler).__name__ not in UPSAMPLERS:
        raise ValueError(f"{type(upsampler).__name__} is no upsampler; there are {', '.join(UPSAMPLERS)}.")
    _, costs = _measure(upsampler, torch.zeros(1, *guide), torch.zeros(1, *feature))
    return costs[""]


@torch.no_grad()
def _measure(module: nn.Module, *inputs: torch.Tensor) -> tuple[Cost, dict[str, Cost]]:
    """Run a module and count it whole, with the upsamplers inside it by name."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    # Fused attention kernels are not known to the counter on every device; the plain form is counted exactly.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        try:
            with _watched(module, counter) as (upsamplers, excess):
                module(*inputs)
        finally:
            for part, mode in modes.items():
                part.training = mode
    total = counter.get_total_flops() // 2 - sum(excess.values())
    return Cost(_parameters(module), total), upsamplers


@contextmanager
def _watched(module: nn.Module, counter: FlopCounterMode) -> Iterator[tuple[dict, dict]]:
    """Record, for each upsampler that runs, its cost, and what was measured in excess of its formula."""
    costs, excess, started, handles = {}, {}, {}, []

    def before(name):
        def hook(part, arguments):
            started[name] = counter.get_total_flops()

        return hook

    def after(name):
        def hook(part, arguments, output):
            guide, feature, *rest = arguments
            measured = (counter.get_total_flops() - started[name]) // 2
            formula = UPSAMPLERS[type(part).__name__]
            exact = measured
            if formula is not None:
                value = rest[0] if rest else feature
                exact = formula(part, tuple(guide.shape[2:]), tuple(feature.shape[2:]), value.shape[1])
            costs[name] = costs.get(name, Cost(_parameters(part), 0)) + Cost(0, exact)
            excess[name] = excess.get(name, 0) + measured - exact

        return hook

    try:
        for name, part in module.named_modules():
            if type(part).__name__ in UPSAMPLERS:
                handles.append(part.register_forward_pre_hook(before(name)))
                handles.append(part.register_forward_hook(after(name)))
        yield costs, excess
    finally:
        for handle in handles:
            handle.remove()


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
