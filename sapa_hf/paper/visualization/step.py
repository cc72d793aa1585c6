"""One upsampling step of a model: what went in, what came out, and the kernels."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sapa_hf.eval_mode import eval_mode
from sapa_hf.modeling.interpolation import Bilinear


@dataclass(frozen=True)
class UpsamplingStep:
    """What one upsampler of a model does to one image; all maps in float32 on the CPU.

    Attributes:
        feature: (C, H, W), the decoder feature before.
        output: (C, H', W'), the same after.
        kernels: (H', W', K, K), the weights that it was assembled with, the mean of several heads'; None for
            operators without.
        border: Where windows at the edge of the feature lie, as in `sapa_upsample`.
        source: Image pixels per feature position along an axis, such as 8.
        level: Image pixels per output pixel along an axis, such as 4.
    """

    feature: Tensor
    output: Tensor
    kernels: Tensor | None
    source: int
    level: int
    border: str = "zero"


@dataclass(frozen=True)
class _Call:
    """An upsampler and the maps that it was called with."""

    upsampler: nn.Module
    guide: Tensor  # (1, Cg, H', W')
    feature: Tensor  # (1, Cf, H, W)
    rest: tuple = ()


@torch.no_grad()
def upsampling_steps(model: PreTrainedModel, pixel_values: Tensor) -> dict[int, UpsamplingStep]:
    """Run a model once and look at its upsamplers: level -> the step that leads there, coarsest first.

    While the model runs, the upsamplers' inputs are noted by hooks; each is then asked again for its output
    and its kernels, so nothing is computed on the way of a normal run. Modules and modes are left as they
    were. Of several steps to one level the last to run is taken: in SegFormer's head that of the stage just
    below, which every operator, bilinear too, brings there at once. A head with "bilinear" has no
    upsamplers; its step is that resizing, to 1/4.

    Args:
        model: One of our models, also loaded as remote code.
        pixel_values: (1, 3, H, W), one image as the model takes it, sides multiples of 32.

    Raises:
        ValueError: The model has no upsampler, or gives values that are not finite.
    """
    calls = _calls_by_level(model, pixel_values)
    return {level: _step(model, calls[level], pixel_values.shape[2]) for level in sorted(calls, reverse=True)}


@torch.no_grad()
def upsampling_step(model: PreTrainedModel, pixel_values: Tensor, level: int = 4) -> UpsamplingStep:
    """Run a model once and look at the upsampler that leads to one level; see `upsampling_steps`.

    Args:
        model: One of our models, also loaded as remote code.
        pixel_values: (1, 3, H, W), one image as the model takes it, sides multiples of 32.
        level: Inverse resolution that the step leads to: 4 for a quarter of the image.

    Raises:
        ValueError: There is no step to this level, or see `upsampling_steps`.
    """
    calls = _calls_by_level(model, pixel_values)
    if level not in calls:
        there = ", ".join(map(str, sorted(calls)))
        raise ValueError(
            f"{type(model).__name__} with upsampler={getattr(model.config, 'upsampler', None)!r} has no step "
            f"to 1/{level} of the image: choose a level of {there}."
        )
    return _step(model, calls[level], pixel_values.shape[2])


def _calls_by_level(model: PreTrainedModel, pixel_values: Tensor) -> dict[int, _Call]:
    """Run the model and sort its upsamplers' calls by the level they lead to; the last one stays."""
    calls = _recorded_calls(model, pixel_values.to(model.device, model.dtype))
    if not calls:
        raise ValueError(
            f"{type(model).__name__} has no upsampler to look at: a model of this package is needed, such as "
            "SapaSegformerForSemanticSegmentation."
        )
    return {round(pixel_values.shape[2] / call.guide.shape[2]): call for call in calls}


def _step(model: PreTrainedModel, call: _Call, height: int) -> UpsamplingStep:
    """Ask an upsampler again for what it made of the maps that it was called with."""
    level = round(height / call.guide.shape[2])
    with eval_mode(model):
        output = call.upsampler(call.guide, call.feature, *call.rest)
        kernels = _kernels(call)
    for name, values in (("feature", call.feature), ("upsampled feature", output)):
        if not torch.isfinite(values).all():
            raise ValueError(
                f"the {name} of {type(model).__name__} at level {level} is not finite; the model's weights "
                "or its precision are at fault"
            )
    return UpsamplingStep(
        feature=call.feature[0].float().cpu(),
        output=output[0].float().cpu(),
        kernels=kernels,
        source=round(height / call.feature.shape[2]),
        level=level,
        border=getattr(call.upsampler, "border", "zero"),
    )


def _kernels(call: _Call) -> Tensor | None:
    """Ask for the kernels, (H', W', K, K), where the operator has any."""
    if not hasattr(call.upsampler, "kernels"):  # code published before operators could show them
        return None
    try:
        kernels = call.upsampler.kernels(call.guide, call.feature)[0]  # (H', W', K * K)
        if kernels.dim() == 4:  # with heads (H', W', n, K * K)
            kernels = kernels.mean(2)
    except TypeError:  # how an operator says that it has none
        return None
    size = round(kernels.shape[-1] ** 0.5)
    return kernels.unflatten(-1, (size, size)).float().cpu()


def _recorded_calls(model: PreTrainedModel, pixel_values: Tensor) -> list[_Call]:
    """Run the model and note how its upsamplers are called, in order."""
    calls: list[_Call] = []
    projected: list[Tensor] = []  # finest first, where the head resizes at once
    with eval_mode(model), _noting(model, calls, projected):
        model(pixel_values)
    for stage in projected[:0:-1]:
        bilinear = Bilinear(projected[0].shape[1], stage.shape[1])
        calls.append(_Call(bilinear, projected[0], stage))
    return calls


@contextmanager
def _noting(model: nn.Module, calls: list[_Call], projected: list[Tensor]) -> Iterator[None]:
    """Have upsamplers, and a head's projections where it resizes at once, note what passes them."""

    def note_call(upsampler, inputs, output):
        guide, feature, *rest = inputs
        # A third map is assembled in the feature's stead; other operators need it, as max unpooling does.
        calls.append(_Call(upsampler, guide, feature, () if upsampler.reassembles else tuple(rest)))

    def note_projected(projection, inputs, output):
        projected.append(output)

    # By attribute: a model loaded as remote code has classes of its own.
    handles = [m.register_forward_hook(note_call) for m in model.modules() if hasattr(m, "reassembles")]
    head = getattr(model, "decode_head", None)
    if getattr(head, "resizes_at_once", False):
        handles += [projection.register_forward_hook(note_projected) for projection in head.linear_c]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
