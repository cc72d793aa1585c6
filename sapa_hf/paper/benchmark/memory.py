"""What a training step keeps in memory, counted on tensors that have sizes but no numbers."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from tqdm import tqdm

from sapa_hf.modeling.backend import use_backend

from .contenders import Contender, contenders

SCALE = "bilinear, channels last"


def benchmark_memory(batch: int = 16, size: int = 512) -> list[dict]:
    """Count the bytes of a training step of each model: any batch, in seconds, and exactly.

    Nothing is computed, so the batch needs no memory. The loss is left out; it is the same for all, and on
    top. What an operator takes inside itself is not seen.

    Args:
        batch: Images at a time.
        size: Their side, pixels.

    Returns:
        One row a model: the gigabytes (1e9 bytes) of activations that live when the forward pass ends, those
        of everything at the step's peak, and how many times bilinear's they are.
    """
    models = contenders("cpu", training=True)
    rows = {
        name: step_memory(model, batch, size) for name, model in tqdm(models.items(), "memory", leave=False)
    }
    kept, peak = rows[SCALE]
    return [
        {
            "model": name,
            "kept_gb": own[0] / 1e9,
            "kept_ratio": own[0] / kept,
            "peak_gb": own[1] / 1e9,
            "peak_ratio": own[1] / peak,
        }
        for name, own in rows.items()
    ]


def step_memory(contender: Contender, batch: int, size: int) -> tuple[int, int]:
    """Count the bytes kept between the passes of a training step, and those at its peak, weights included."""
    model, backend, order = contender
    with FakeTensorMode(allow_non_fake_inputs=True), use_backend(backend):
        images = torch.randn(batch, 3, size, size).contiguous(memory_format=order)
        tracker = MemTracker()
        tracker.track_external(model.train(), images)
        with tracker:
            output = model(images).logits.mean()
            kept = _bytes(tracker.get_tracker_snapshot("current"), "ACT")
            output.backward()
        model.zero_grad()
        return kept, _bytes(tracker.get_tracker_snapshot("peak"), "Total")


def _bytes(snapshot: dict, kind: str) -> int:
    """Sum what a snapshot has of a kind, over devices."""
    return sum(
        size
        for by_kind in snapshot.values()
        for name, size in by_kind.items()
        if getattr(name, "name", name) == kind
    )
