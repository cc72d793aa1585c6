"""SegFormer-B1 whole, with each upsampler, beside transformers' own."""

from collections.abc import Callable

import torch

from sapa_hf.modeling.backend import use_backend

from .contenders import BASELINE, Contender, contenders
from .timing import time_side_by_side


def benchmark_model(
    batch: int = 1,
    size: int = 512,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    rounds: int = 7,
    training: bool = True,
) -> list[dict]:
    """Time inference and a training step of each model on one image size.

    Args:
        batch: Images at a time.
        size: Their side, pixels.
        device: "cpu" or "cuda".
        dtype: float32, or what autocast computes in.
        rounds: How many rounds of inference; training takes half as many.
        training: Whether to time training steps.

    Returns:
        One row a model: milliseconds, and how many times transformers' they are.
    """
    images = torch.randn(batch, 3, size, size, device=device)
    labels = torch.randint(0, 150, (batch, size, size), device=device)

    def infer(contender: Contender) -> None:
        model, backend, order = contender
        with torch.inference_mode(), use_backend(backend), precision(device, dtype):
            model.eval()(images.contiguous(memory_format=order))

    def train(contender: Contender) -> torch.Tensor:
        model, backend, order = contender
        with use_backend(backend):
            with precision(device, dtype):
                loss = model.train()(images.contiguous(memory_format=order), labels=labels).loss
            model.zero_grad()
            loss.backward()
            return loss

    inference = time_side_by_side(_bind(infer, contenders(device)), rounds, device, "inference")
    rows = [
        {"model": name, "inference_ms": time, "inference_ratio": time / inference[BASELINE]}
        for name, time in inference.items()
    ]
    if training:
        trained = contenders(device, training=True)
        steps = time_side_by_side(_bind(train, trained), max(3, rounds // 2), device, "training step")
        for row in rows:
            name = row["model"]
            row |= dict.fromkeys(("training_ms", "training_ratio"))
            if name in steps:
                row["training_ms"] = steps[name]
                row["training_ratio"] = steps[name] / steps[BASELINE]
    return rows


def precision(device: str, dtype: torch.dtype) -> torch.autocast:
    """Autocast to a dtype, or not at all for float32."""
    return torch.autocast(device, dtype if dtype != torch.float32 else None, enabled=dtype != torch.float32)


def _bind(run: Callable, made: dict[str, Contender]) -> dict[str, Callable]:
    return {name: (lambda contender=contender: run(contender)) for name, contender in made.items()}
