"""SegFormer-B1 whole, with each upsampler, beside transformers' own."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import psutil
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from sapa_hf.modeling import SapaSegformerConfig, SapaSegformerForSemanticSegmentation
from sapa_hf.modeling.backend import AUTOMATIC, PLAIN, use_backend
from sapa_hf.modeling.compiled_kernel import find_kernel
from sapa_hf.provenance import peak_memory_megabytes

from .timing import saved_megabytes, time_side_by_side

B1 = {"hidden_sizes": [64, 128, 320, 512], "num_labels": 150}
SHOWN = ("bilinear", "sapa-i", "sapa-b", "sapa-g")
BASELINE = "transformers"


def models(device: str) -> dict[str, tuple[torch.nn.Module, str]]:
    """Make the contenders: model and kernel choice by name."""
    made = {BASELINE: (SegformerForSemanticSegmentation(SegformerConfig(**B1)), PLAIN)}
    probe = torch.zeros(1, 1, 1, 1, device=device)
    kernel = find_kernel(AUTOMATIC, probe, probe, probe) is not None
    for upsampler in SHOWN:
        model = SapaSegformerForSemanticSegmentation(SapaSegformerConfig(upsampler=upsampler, **B1))
        made[upsampler] = (model, PLAIN)
        if kernel and upsampler.startswith("sapa"):
            made[f"{upsampler}, kernel"] = (model, AUTOMATIC)
    for model, _ in made.values():
        model.to(device)
    return made


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
        One row a model: milliseconds, how many times transformers' they are, the megabytes that a training
        step saves for its backward pass, and those that its peak adds to a process.
    """
    images = torch.randn(batch, 3, size, size, device=device)
    labels = torch.randint(0, 150, (batch, size, size), device=device)
    contenders = models(device)

    def infer(model: torch.nn.Module, choice: str) -> None:
        with torch.inference_mode(), use_backend(choice), precision(device, dtype):
            model.eval()(images)

    def train(model: torch.nn.Module, choice: str) -> torch.Tensor:
        with use_backend(choice):
            with precision(device, dtype):
                loss = model.train()(images, labels=labels).loss
            model.zero_grad()
            loss.backward()
            return loss

    inference = time_side_by_side(_bind(infer, contenders), rounds, device, "inference")
    rows = [
        {"model": name, "inference_ms": time, "inference_ratio": time / inference[BASELINE]}
        for name, time in inference.items()
    ]
    if training:
        steps = time_side_by_side(_bind(train, contenders), max(3, rounds // 2), device, "training step")
        for row in rows:
            name = row["model"]
            row["training_ms"] = steps[name]
            row["training_ratio"] = steps[name] / steps[BASELINE]
            row["saved_mb"] = saved_megabytes(lambda n=name: train(*contenders[n]))
            row["peak_mb"] = _in_new_process(training_peak, row["model"], batch, size, device, dtype)
    return rows


def precision(device: str, dtype: torch.dtype) -> torch.autocast:
    """Autocast to a dtype, or not at all for float32."""
    return torch.autocast(device, dtype if dtype != torch.float32 else None, enabled=dtype != torch.float32)


def training_peak(name: str, batch: int, size: int, device: str, dtype: torch.dtype) -> float | None:
    """Take one training step of a contender: the megabytes at its peak beyond those of model and batch."""
    model, choice = models(device)[name]
    images = torch.randn(batch, 3, size, size, device=device)
    labels = torch.randint(0, 150, (batch, size, size), device=device)
    before = torch.cuda.memory_allocated() if device == "cuda" else psutil.Process().memory_info().rss
    with use_backend(choice):
        with precision(device, dtype):
            loss = model.train()(images, labels=labels).loss
        loss.backward()
    peak = peak_memory_megabytes(device)
    return None if peak is None else peak - before / 1e6


def _in_new_process(function: Callable, *arguments: object) -> object:
    """Call a function where nothing was allocated before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _bind(run: Callable, contenders: dict[str, tuple]) -> dict[str, Callable]:
    return {name: (lambda pair=pair: run(*pair)) for name, pair in contenders.items()}
