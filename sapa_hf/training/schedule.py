"""The learning rate of every step: linear warm-up, then polynomial decay, or decay at milestones."""

from __future__ import annotations

from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from .arguments import OptimizationArguments

DROP = 0.1  # of the learning rate at a milestone


def poly_with_warmup(
    step: int,
    max_steps: int,
    warmup_steps: int,
    warmup_ratio: float,
    power: float,
    floor: float,
    milestones: Sequence[int] = (),
) -> float:
    """Give the share of a group's learning rate that holds at a step.

    warm(step) * ((1 - floor) * (1 - step / max_steps) ** power + floor), where warm rises from `warmup_ratio`
    to 1 over `warmup_steps` and floor is the share at the end, min_lr / lr. The decay runs from step 0, also
    underneath the warm-up, as in mmcv's "poly" policy with linear warm-up, which trained the paper's models.
    From each of the milestones on, what decays is a tenth of what it was.
    """
    decay = max(0.0, 1 - step / max_steps) ** power
    decay *= DROP ** sum(step >= milestone for milestone in milestones)
    warm = 1.0
    if step < warmup_steps:
        warm = 1 - (1 - step / warmup_steps) * (1 - warmup_ratio)
    return warm * ((1 - floor) * decay + floor)


def build_schedule(optimizer: Optimizer, arguments: OptimizationArguments) -> LambdaLR:
    """Build the schedule over the plain optimizer.

    It must not be prepared by accelerate, whose wrapper advances it once per process and step.
    """

    def share_of(peak: float):
        floor = arguments.min_lr / peak
        return lambda step: poly_with_warmup(
            step,
            arguments.max_steps,
            arguments.warmup_steps,
            arguments.warmup_ratio,
            arguments.power,
            floor,
            arguments.milestones,
        )

    return LambdaLR(optimizer, [share_of(group["lr"]) for group in optimizer.param_groups])
