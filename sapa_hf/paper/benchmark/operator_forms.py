"""The operator in several forms, at the six calls of SegFormer-B1's head on a 512 x 512 image."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from sapa_hf.modeling.affiliation import sapa_upsample
from sapa_hf.modeling.affiliation_tiled import tiled_affiliation
from sapa_hf.modeling.affiliation_windowed import windowed_affiliation
from sapa_hf.modeling.backend import AUTOMATIC
from sapa_hf.modeling.compiled_kernel import find_kernel

from .timing import saved_megabytes, time_side_by_side

FEATURE_SIZES = (16, 32, 64, 32, 64, 64)  # three steps from 1/32, two from 1/16, one from 1/8
EMBEDDING_DIM, CHANNELS, KERNEL_SIZE = 64, 256, 5
BASELINE = "tiles"


def unfolded(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """SAPA as it is often written: F.unfold materialises every window, einsum does the rest."""
    batch, height, width, channels = value.shape

    def windows(positions: torch.Tensor) -> torch.Tensor:
        columns = F.unfold(positions.permute(0, 3, 1, 2), KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        return columns.view(batch, positions.shape[-1], KERNEL_SIZE**2, height, width)

    queries = query.view(batch, height, 2, width, 2, -1)
    weights = torch.einsum("bhiwjd,bdthw->bhiwjt", queries, windows(key)).softmax(-1)
    output = torch.einsum("bhiwjt,bcthw->bhiwjc", weights, windows(value))
    return output.reshape(batch, 2 * height, 2 * width, channels)


def bilinear(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Plain interpolation, for scale."""
    size = query.shape[1:3]
    return F.interpolate(value.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=False)


def forms(device: str, dtype: torch.dtype, compiled: bool) -> dict[str, Callable]:
    """Collect the contenders by name; the compiled kernel takes part where one is at hand."""
    dynamo = {"dynamic": False, "fullgraph": True}

    def tiles(*maps: torch.Tensor) -> torch.Tensor:
        return sapa_upsample(*maps, backend="tiled")

    chosen = {BASELINE: tiles, "unfold": unfolded, "bilinear": bilinear}
    if compiled:
        options = (KERNEL_SIZE, "zero", "softmax")
        chosen["tiles, torch.compile"] = torch.compile(lambda *m: tiled_affiliation(*m, *options), **dynamo)
        chosen["windows, torch.compile"] = torch.compile(
            lambda *m: windowed_affiliation(*m, *options), **dynamo
        )
    probe = torch.zeros(1, 1, 1, 1, device=device, dtype=dtype)
    if find_kernel(AUTOMATIC, probe, probe, probe) is not None:
        chosen["kernel"] = lambda *maps: sapa_upsample(*maps, backend=AUTOMATIC)
    return chosen


def benchmark_operator(
    batch: int = 1,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    rounds: int = 7,
    compiled: bool = True,
) -> list[dict]:
    """Time each form over the six calls, forward alone and forward with backward.

    Returns:
        One row a form: its times in milliseconds, how many times the tiled form's they are, and the megabytes
        saved for the backward pass.
    """
    contenders = forms(device, dtype, compiled)
    plain = _calls(batch, device, dtype, requires_grad=False)
    trained = _calls(batch, device, dtype, requires_grad=True)

    def forward(form: Callable) -> None:
        with torch.no_grad():
            for maps in plain:
                form(*maps)

    def both(form: Callable) -> None:
        for maps in trained:
            form(*maps).sum().backward()

    first = time_side_by_side(_bind(forward, contenders), rounds, device, "forward")
    second = time_side_by_side(_bind(both, contenders), max(3, rounds // 2), device, "forward and backward")
    return [
        {
            "form": name,
            "forward_ms": first[name],
            "forward_ratio": first[name] / first[BASELINE],
            "training_ms": second[name],
            "training_ratio": second[name] / second[BASELINE],
            "saved_mb": sum(saved_megabytes(lambda f=form, m=maps: f(*m)) for maps in trained),
        }
        for name, form in contenders.items()
    ]


def _bind(run: Callable, contenders: dict[str, Callable]) -> dict[str, Callable]:
    return {name: (lambda form=form: run(form)) for name, form in contenders.items()}


def _calls(
    batch: int, device: str, dtype: torch.dtype, requires_grad: bool
) -> list[tuple[torch.Tensor, ...]]:
    """Draw query, key and value of each of the six calls."""
    calls = []
    for size in FEATURE_SIZES:
        shapes = (2 * size, EMBEDDING_DIM), (size, EMBEDDING_DIM), (size, CHANNELS)
        maps = [
            torch.randn(batch, side, side, channels, device=device, dtype=dtype) for side, channels in shapes
        ]
        calls.append(tuple(m.requires_grad_(requires_grad) for m in maps))
    return calls
