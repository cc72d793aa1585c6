"""SegFormer's head for inference with its matrix products merged: the same logits from less arithmetic.

The head projects an encoder's map c to y = M c + b, D channels wide, and multiplies y again: by the fusion,
and, normalised, by the projections of SAPA. Two products in a row are one. Between them stands at most a
LayerNorm, which is linear up to one number a pixel: with C y = y - mean(y),

    LN(y) = g C y / s + h,   s^2 = |C y|^2 / D + eps,

so a projection P LN(y) + p is (P g C M c + P g C b) / s + (P h + p). And s follows from c as well: with the
triangular factor R of C (M, b), |C y| = |R (c, 1)|, in as many numbers as c has.

This is done for the two finest maps, which are only ever multiplied: y is never made there. They are nearly
all of the head's arithmetic. Coarser maps are carried upwards as they are. The batch norm after the fusion
scales and shifts the fusion's weights.

The merged weights are made anew in every call, in float64: they cost less than a hundredth of it, and
nothing can be stale.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .sapa import SAPA
from .segformer_layers import StageFusion, StageProjection
from .untouched import is_untouched

WORTH = 4  # merging pays for itself from about this many positions a channel of the head


class Product(NamedTuple):
    """What a projected map y is multiplied with: weight @ y + bias, or weight @ LN(y) + bias.

    Attributes:
        weight: (O, D).
        bias: (O,), if there is one.
        norm: The LayerNorm before it, if there is one.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    norm: nn.LayerNorm | None = None


def can_merge(head: nn.Module, stages: Sequence[torch.Tensor]) -> bool:
    """Say whether these maps may take the merged way: on a CPU, without gradients, through a plain head."""
    finest = stages[0]
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_grad_enabled() or head.training:
        return False
    if torch.is_autocast_enabled(finest.device.type) or nn.modules.module._has_any_global_hook():
        return False  # by hooks on all modules operations are counted
    if any(type(stage) is not torch.Tensor or stage.device.type != "cpu" for stage in stages):
        return False
    if {stage.dtype for stage in stages} - {torch.float32, torch.float64}:
        return False
    if finest.shape[2] * finest.shape[3] < WORTH * head.batch_norm.num_features:
        return False
    return len(head.upsamplers) > 0 and all(is_untouched(layer, kind) for layer, kind in _layers(head))


def _layers(head: nn.Module) -> Iterator[tuple[nn.Module, type[nn.Module]]]:
    """List the layers that are not called, each with the class that it must have."""
    yield from (
        (head.linear_fuse, StageFusion),
        (head.batch_norm, nn.BatchNorm2d),
        (head.activation, nn.ReLU),
        (head.dropout, nn.Dropout),
    )
    for projection in head.linear_c[:2]:
        yield projection, StageProjection
        yield projection.proj, nn.Linear
    for step in head.upsamplers:
        yield step, SAPA if getattr(step, "similarity", "inner") != "inner" else type(None)
        for name, layer in step.named_children():
            if name not in ("affiliation", "prior"):
                yield layer, nn.LayerNorm if name.startswith("norm_") else nn.Linear


def merged_logits(head: nn.Module, stages: Sequence[torch.Tensor]) -> torch.Tensor:
    """Give what the head gives of maps (B, Ci, Hi, Wi), finest first: logits (B, num_labels, H1, W1)."""
    steps = iter(head.upsamplers)
    *chains, (last,) = [[next(steps) for _ in range(level)] for level in range(len(stages) - 1, 0, -1)]
    *shares, last_share, finest_share = fusion(head)
    finest, second = (stage.permute(0, 2, 3, 1) for stage in stages[:2])  # (B, Hi, Wi, Ci)

    guided = [chain[-1] for chain in chains] + [last]
    fused, *finest_queries = multiply(
        head.linear_c[0].proj, finest, [finest_share, *(_query(step) for step in guided)]
    )
    second_queries = [_query(chain[-2]) for chain in chains]
    value, key, *read = multiply(head.linear_c[1].proj, second, [last_share, *_reads(last), *second_queries])
    own_and_gate, second_queries = read[: -len(chains)], read[-len(chains) :]
    fused = fused + last.assemble(last.mix(finest_queries.pop(), *own_and_gate), key, value)

    coarse = [linear(stage) for linear, stage in zip(head.linear_c[2:], stages[2:], strict=True)]
    for chain, share, *queries in zip(chains, shares, second_queries, finest_queries, strict=True):
        feature = coarse.pop()
        for step, guide in zip(chain[:-2], coarse[::-1], strict=True):
            feature = step(guide, feature)
        feature = feature.permute(0, 2, 3, 1)
        feature = _climb(chain[-2], queries[0], feature, feature)
        fused += _climb(chain[-1], queries[1], feature, F.linear(feature, share.weight))
    return head.classifier(fused.relu_().permute(0, 3, 1, 2))


def _climb(step: SAPA, query: torch.Tensor, feature: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Take a step whose guide is known by its queries: -> (B, H', W', C of the value)."""
    key, *own_and_gate = step.read(feature)
    return step.assemble(step.mix(query, *own_and_gate), key, value)


def fusion(head: nn.Module) -> list[Product]:
    """Split the fusion by stage, coarsest first, with the batch norm in its weights and in the last bias."""
    norm = head.batch_norm
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (D,)
    weights = (head.linear_fuse.weight.flatten(1) * scale[:, None]).split(norm.num_features, dim=1)
    return [Product(weight) for weight in weights[:-1]] + [
        Product(weights[-1], norm.bias - scale * norm.running_mean)
    ]


def _query(step: SAPA) -> Product:
    """Give the product that makes a guide's queries."""
    return Product(step.query_guide.weight, step.query_guide.bias, step.norm_guide)


def _reads(step: SAPA) -> list[Product]:
    """Give the products of `SAPA.read`, in its order."""
    products = [Product(step.key.weight, step.key.bias, step.norm_feature)]
    if step.similarity in ("gated", "addition"):
        products.append(Product(step.query_feature.weight, step.query_feature.bias))
    if step.similarity == "gated":
        products.append(Product(step.gate.weight, step.gate.bias, step.norm_feature))
    return products


def multiply(projection: nn.Linear, stage: torch.Tensor, products: Sequence[Product]) -> list[torch.Tensor]:
    """Multiply a projected map with all that is asked for, in one product of the map (B, H, W, C) itself."""
    width = projection.out_features
    affine = torch.cat((projection.weight, projection.bias[:, None]), dim=1).double()  # (D, C + 1)
    centred = affine - affine.mean(0)
    rows = []
    for weight, bias, norm in products:
        if norm is not None:
            rows.append((weight * norm.weight).double() @ centred)
            continue
        rows.append(weight.double() @ affine)
        if bias is not None:
            rows[-1][:, -1] += bias
    rows.append(torch.linalg.qr(centred, mode="r").R / width**0.5)  # its square is the variance
    merged = torch.cat(rows).to(stage.dtype)
    parts = F.linear(stage, merged[:, :-1], merged[:, -1]).split([len(row) for row in rows], dim=-1)
    variance = parts[-1].square().sum(-1, keepdim=True)  # (B, H, W, 1)
    return [
        part
        if norm is None
        else torch.addcmul(F.linear(norm.bias, weight, bias), part, torch.rsqrt(variance + norm.eps))
        for part, (weight, bias, norm) in zip(parts, products, strict=False)
    ]
