"""AdamW or SGD with the paper's parameter groups: a faster head, and no decay on the backbone's norms."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..modeling.guided_upsampler import GuidedUpsampler
from .arguments import OptimizationArguments


def build_optimizer(
    model: nn.Module, arguments: OptimizationArguments, head: Sequence[str]
) -> torch.optim.Optimizer:
    """Build the optimizer over the groups that the arguments ask for; see `parameter_groups`."""
    groups = parameter_groups(model, arguments, head)
    if arguments.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=arguments.learning_rate, momentum=arguments.momentum)
    mean, square = arguments.betas
    return torch.optim.AdamW(
        groups, lr=arguments.learning_rate, betas=(mean, square), eps=arguments.adam_epsilon
    )


def parameter_groups(model: nn.Module, arguments: OptimizationArguments, head: Sequence[str]) -> list[dict]:
    """Sort the trainable parameters into groups by their names: backbone and head, with decay and without.

    A name is first tried against the head's prefixes, then against `no_decay`, as the paper's training did:
    there, the first pattern that matches wins, so the head's norms keep their decay (unless
    `no_decay_in_head`). `head` holds the prefixes of the head's parameters, upsamplers included; these are
    groups of their own where their rate differs from the head's.

    Returns:
        Groups as torch takes them: `params`, `lr`, `weight_decay`, and `name` and `parameter_names`.

    Raises:
        ValueError: when no parameter is in the head, which would train it at the backbone's learning rate.
    """
    groups: dict[str, dict] = {}
    upsamplers = _prefixes(model) if arguments.upsampler_lr_multiplier != 1 else ()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        in_head = name.startswith(tuple(head))
        exempt = any(part in name for part in arguments.no_decay) and (
            not in_head or arguments.no_decay_in_head
        )
        part = "upsamplers" if in_head and name.startswith(upsamplers) else "head" if in_head else "backbone"
        label = part + (" without decay" if exempt else "")
        if label not in groups:
            groups[label] = {
                "name": label,
                "params": [],
                "parameter_names": [],
                "lr": arguments.learning_rate * _multiplier(arguments, part),
                "weight_decay": 0.0 if exempt else _decay(arguments, in_head),
            }
        groups[label]["params"].append(parameter)
        groups[label]["parameter_names"].append(name)
    if not any(label.startswith("head") for label in groups):
        raise ValueError(
            f"no trainable parameter begins with {', '.join(head)}: the task names the head wrongly"
        )
    return list(groups.values())


def _prefixes(model: nn.Module) -> tuple[str, ...]:
    """List how the names of the upsamplers' parameters begin."""
    return tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, GuidedUpsampler))


def _multiplier(arguments: OptimizationArguments, part: str) -> float:
    """The learning rate of a part of the model, in the backbone's."""
    if part == "backbone":
        return 1.0
    own = arguments.upsampler_lr_multiplier if part == "upsamplers" else 1.0
    return arguments.head_lr_multiplier * own


def _decay(arguments: OptimizationArguments, in_head: bool) -> float:
    """The weight decay of the head or of the backbone."""
    if in_head and arguments.head_weight_decay is not None:
        return arguments.head_weight_decay
    return arguments.weight_decay
