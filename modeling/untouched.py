"""Whether a layer's arithmetic may be done in another way: only where nothing else has its hand in a call."""

import torch
from torch import nn


def is_untouched(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Say whether a layer is just what its class says: no adapter, shard, parametrisation, hook, offloading.

    Those change the layer's class, its parameters' class, its `forward`, or what runs before and after it.

    Args:
        layer: The layer.
        kind: The class that it was made with.
    """
    hooks = layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks
    parameters = (type(p) for p in layer.parameters(recurse=False))
    return (
        type(layer) is kind
        and "forward" not in layer.__dict__
        and not any(map(len, hooks))
        and all(parameter in (nn.Parameter, torch.Tensor) for parameter in parameters)
    )
