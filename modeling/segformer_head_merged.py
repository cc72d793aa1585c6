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
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from .sapa import SAPA
from .segformer_layers import StageFusion, StageProjection
from .untouched import is_untouched

Head = Any  # a SapaSegformerDecodeHead, whose file imports this one

WORTH = 4  # merging pays for itself from about this many positions a channel of the head


class Product(NamedTuple):
    """What a map is multiplied with: a weight (O, D) and a bias (O,)."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None


class NormedProduct(NamedTuple):
    """What a layer-normalised map is multiplied with."""

    norm: nn.LayerNorm
    linear: nn.Linear


def can_merge(head: Head, stages: Sequence[torch.Tensor]) -> bool:
    """Say whether these maps may take the merged way: on a CPU, without gradients, through a plain head."""
    finest = stages[0]
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_grad_enabled() or head.training:
        return False
    if any(type(stage) is not torch.Tensor or stage.device.type != "cpu" for stage in stages):
        return False
    if {stage.dtype for stage in stages} - {torch.float32, torch.float64}:
        return False
    if torch.is_autocast_enabled("cpu") or nn.modules.module._has_any_global_hook():
        return False  # by hooks on all modules operations are counted
    similarities = {getattr(step, "similarity", "inner") for step in head.upsamplers}
    if not similarities or "inner" in similarities:  # SAPA-I has no projections; others are no SAPA
        return False
    if not all(is_untouched(layer, kind) for layer, kind in _layers(head)):
        return False
    if not all(step.reassembles for step in head.upsamplers):  # several heads do not commute with the fusion
        return False
    return finest.shape[2] * finest.shape[3] >= WORTH * head.batch_norm.num_features


def _layers(head: Head) -> Iterator[tuple[nn.Module, type[nn.Module]]]:
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
        yield step, SAPA
        for name, layer in step.named_children():
            if name not in ("affiliation", "prior"):
                yield layer, nn.LayerNorm if name.startswith("norm_") else nn.Linear


def merged_logits(head: Head, stages: Sequence[torch.Tensor]) -> torch.Tensor:
    """Give what the head gives of maps (B, Ci, Hi, Wi), finest first: logits (B, num_labels, H1, W1)."""
    steps = iter(head.upsamplers)
    *chains, (last,) = [[next(steps) for _ in range(level)] for level in range(len(stages) - 1, 0, -1)]
    *shares, last_share, finest_share = fusion(head)
    # The finest map guides the last step of every chain.
    (fused,), finest = multiply(
        head.linear_c[0].proj, stages[0], [finest_share], [_query(chain[-1]) for chain in [*chains, [last]]]
    )
    # The second guides the steps before, and is what the shortest chain brings up.
    own_query, key_and_gate = _reads(last)
    (value, *own), second = multiply(
        head.linear_c[1].proj,
        stages[1],
        [last_share, *own_query],
        [_query(chain[-2]) for chain in chains] + key_and_gate,
    )
    key, *gate = second[len(chains) :]
    fused = fused + last.assemble(last.mix(finest[-1], *own, *gate), key, value)

    coarse = [linear(stage) for linear, stage in zip(head.linear_c[2:], stages[2:], strict=True)]
    for chain, share, *queries in zip(chains, shares, second, finest, strict=False):
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


def fusion(head: Head) -> list[Product]:
    """Split the fusion by stage, coarsest first, with the batch norm in its weights and in the last bias."""
    norm = head.batch_norm
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (D,)
    weights = (head.linear_fuse.weight.flatten(1) * scale[:, None]).split(norm.num_features, dim=1)
    return [*map(Product, weights[:-1]), Product(weights[-1], norm.bias - scale * norm.running_mean)]


def _query(step: SAPA) -> NormedProduct:
    """Give the product that makes a guide's queries."""
    return NormedProduct(step.norm_guide, step.query_guide)


def _reads(step: SAPA) -> tuple[list[Product], list[NormedProduct]]:
    """Give the products of `SAPA.read`: its own queries, and the keys and the gate."""
    own = step.query_feature if step.similarity in ("gated", "addition") else None
    normed = [step.key, step.gate] if step.similarity == "gated" else [step.key]
    return [] if own is None else [Product(own.weight, own.bias)], [
        NormedProduct(step.norm_feature, linear) for linear in normed
    ]


def multiply(
    projection: nn.Linear, stage: torch.Tensor, products: Sequence[Product], normed: Sequence[NormedProduct]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Multiply the projection of a map with all that is asked for, by products of the map itself.

    Args:
        projection: From C channels to D.
        stage: The map (B, C, H, W).
        products: Of the projected map.
        normed: Of the projected and layer-normalised map.

    Returns:
        (B, H, W, O) for each of the products, and of the normed ones.
    """
    affine = torch.cat((projection.weight, projection.bias[:, None]), dim=1).double()  # (D, C + 1)
    centred = affine - affine.mean(0)
    rows = [weight.double() @ affine for weight, _ in products]
    for row, (_, bias) in zip(rows, products, strict=True):
        row[:, -1] += 0 if bias is None else bias
    scaled = [(linear.weight * norm.weight).double() @ centred for norm, linear in normed]
    root = torch.linalg.qr(centred, mode="r").R / len(centred) ** 0.5
    *parts, deviation = _convolve(stage, [*scaled, root])
    variance = deviation.square().sum(-1, keepdim=True)  # (B, H, W, 1)
    return _convolve(stage, rows), [
        torch.addcmul(linear(norm.bias), part, torch.rsqrt(variance + norm.eps))
        for part, (norm, linear) in zip(parts, normed, strict=True)
    ]


def _convolve(stage: torch.Tensor, rows: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Multiply (c, 1) with each (O, C + 1): a list of (B, H, W, O)."""
    merged = torch.cat(list(rows)).to(stage.dtype)
    stage = stage.contiguous(memory_format=torch.channels_last)
    output = F.conv2d(stage, merged[:, :-1, None, None], merged[:, -1]).permute(0, 2, 3, 1)
    return list(output.split([len(row) for row in rows], dim=-1))
