"""The baselines compute the operator, so that ratios to them mean something; the limits add up."""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from plain import plain_upsample, random_inputs

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import baseline
import family
import limits
import measure_family
import measure_gpu
import report


@pytest.mark.parametrize("form", [baseline.tiled, baseline.unfolded], ids=lambda form: form.__name__)
@pytest.mark.parametrize("size", [(8, 8), (5, 7)], ids=str)
def test_baselines_compute_the_operator(form, size):
    tensors = random_inputs(2, size, (2 * size[0], 2 * size[1]), 6, 9)
    torch.testing.assert_close(form(*tensors), plain_upsample(*tensors))


@pytest.mark.parametrize(
    ("name", "size", "ratio"),
    [
        *((name, (5, 7), (2, 3)) for name in ("plain PyTorch", "unfold", "enlarged")),
        *((name, (6, 5), (1, 1)) for name in ("plain PyTorch", "unfold", "enlarged")),
        pytest.param("flex", (5, 7), (2, 3), marks=pytest.mark.slow),  # it is compiled
    ],
    ids=str,
)
def test_forms_of_the_family_compute_the_same(name, size, ratio):
    high, wide = size[0] * ratio[0], size[1] * ratio[1]
    query, key, value = (
        torch.randn(1, high, wide, 2, 8),
        torch.randn(1, *size, 2, 8),
        torch.randn(1, *size, 2, 4),
    )
    pixels = [(i, j) for i in range(high) for j in range(wide)]
    expected = family.by_loops(query, key, value, 5, pixels).view(1, high, wide, 2, 4)
    output = measure_family.FORMS[name](query, key, value, 5)
    torch.testing.assert_close(output.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_outputs_are_checked_before_a_gpu_is_timed(dtype):
    call = random_inputs(8, (8, 8), (16, 16), 64, 256, dtype)

    def kernel(*tensors, options=()):
        return plain_upsample(*(tensor.float() for tensor in tensors), *options).to(dtype)

    measure_gpu.check_output(kernel, call)
    for wrong in ((5, "mask"), (3,)):
        with pytest.raises(RuntimeError, match="nothing is timed"):
            measure_gpu.check_output(partial(kernel, options=wrong), call)


def test_limits_are_those_of_the_exact_operation_count():
    positions = 14592
    forward = limits.limit_seconds(1, 4, False, 1e9, 1e30)
    backward = limits.limit_seconds(1, 4, True, 1e9, 1e30)
    assert forward == pytest.approx(positions * 200 * (64 + 256) / 1e9)
    assert backward == pytest.approx(positions * 200 * (3 * 64 + 2 * 256) / 1e9)
    assert limits.limit_seconds(2, 4, False, 1e30, 1e9) == pytest.approx(2 * positions * 1600 * 4 / 1e9)
    assert limits.limit_seconds(1, 2, True, 1e30, 1e9) == pytest.approx(positions * 2176 * 2 / 1e9)


def test_report_keeps_the_text_around_the_table(tmp_path):
    row = {
        "pass": "forward",
        "dtype": "float32",
        "batch": 1,
        "threads": 1,
        "milliseconds": {"kernel": 1.0, "tiled": 6.0, "bilinear": 0.5},
        "times_faster_than": {"tiled": 6.0, "unfold": 90.0},
        "limit_milliseconds": 0.7,
        "share_of_limit": 0.7,
    }
    row["goals_met"] = report.verdicts(row)
    assert row["goals_met"] == {"tiled": True, "unfold": False, "share_of_limit": True}
    file = tmp_path / "RESULTS.md"
    file.write_text(f"before\n{report.START}\nstale words\n{report.END}\nafter\n")
    results = {
        "date": "d",
        "processor": {"name": "p", "cores": 2},
        "torch": "t",
        "rounds": 1,
        "load_average": 0.0,
    }
    report.write_report(file, {**results, "extra_memory_share_of_output": 0.1, "rows": [row]})
    text = file.read_text()
    assert text.startswith("before") and text.endswith("after\n") and "stale words" not in text
    assert "unfold: no" in text
