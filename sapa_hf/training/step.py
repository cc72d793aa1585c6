"""One optimizer step over several micro-batches and ranks, weighted as if they were one batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, send_to_device
from torch import Tensor, nn
from torch.optim import Optimizer

NOT_FOR_THE_MODEL = ("ids", "skipped")  # of a batch


class NonFiniteError(RuntimeError):
    """The loss or its gradient is not finite; no weight was changed."""


@dataclass
class StepResult:
    """What one step did, summed over all ranks."""

    loss: float | None  # None: no valid pixel in the whole step, no weight changed
    grad_norm: float | None
    learning_rates: dict[str, float]  # by group
    skipped: int
    stop: bool  # whether any rank was asked to stop


def training_step(
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: Optimizer,
    batches: list[dict],
    weight: Callable[[dict], Tensor],
    max_grad_norm: float | None = None,
    stop: bool = False,
) -> StepResult:
    """Take one step down sum_i weight_i * loss_i / sum_i weight_i, over all micro-batches of all ranks.

    Args:
        accelerator: that prepared the model and the optimizer.
        model: whose forward takes the tensors of a batch and gives an output with a mean `loss`.
        optimizer: stepped and zeroed here.
        batches: this rank's micro-batches; all in them but `ids` and `skipped` goes to the model.
        weight: how much a micro-batch counts, such as its valid pixels.
        max_grad_norm: clips the gradient of the whole step; None never clips.
        stop: whether this rank was asked to stop; every rank learns of it at the same step.

    Raises:
        NonFiniteError: on every rank, naming the images, before any weight changes.
    """
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    weights = [float(weight(batch)) for batch in batches]
    left_out = sum(int(batch.get("skipped", 0)) for batch in batches)
    total, skipped, stops = sum_over_ranks(accelerator, sum(weights), left_out, stop)
    if total == 0:
        return StepResult(None, None, rates, int(skipped), stops > 0)
    losses = []
    for number, (batch, share) in enumerate(zip(batches, weights, strict=True)):
        last = number == len(batches) - 1
        with nullcontext() if last else accelerator.no_sync(model):
            inputs = {key: value for key, value in batch.items() if key not in NOT_FOR_THE_MODEL}
            inputs = send_to_device(inputs, accelerator.device)
            # DDP averages gradients over the ranks, the weighted mean wants their sum: hence num_processes.
            loss = model(**inputs).loss * (share * accelerator.num_processes / total)
            accelerator.backward(loss)
        losses.append(loss.detach() / accelerator.num_processes)
    local = torch.stack(losses).tolist()
    (loss,) = sum_over_ranks(accelerator, sum(local))
    # Unscales fp16 gradients too; inf clips nothing and only measures.
    grad_norm = float(accelerator.clip_grad_norm_(model.parameters(), max_grad_norm or math.inf))
    scaled = getattr(accelerator, "scaler", None) is not None  # fp16: an overflow is the scaler's to skip
    if not math.isfinite(loss) or not (math.isfinite(grad_norm) or scaled):
        optimizer.zero_grad()
        suspects = [
            batch
            for batch, value in zip(batches, local, strict=True)
            if math.isfinite(loss) or not math.isfinite(value)
        ]
        ids = gather_object([id_ for batch in suspects for id_ in batch["ids"]])
        raise NonFiniteError(f"loss {loss}, gradient norm {grad_norm}, learning rates {rates}, images {ids}")
    optimizer.step()
    optimizer.zero_grad()
    return StepResult(loss, grad_norm, rates, int(skipped), stops > 0)


def sum_over_ranks(accelerator: Accelerator, *values: float) -> list[float]:
    """Add numbers up over all ranks, exactly for counts below 2^53."""
    dtype = torch.float32 if accelerator.device.type == "mps" else torch.float64
    tensor = torch.tensor([float(value) for value in values], dtype=dtype, device=accelerator.device)
    return accelerator.reduce(tensor, "sum").tolist()
