"""The benchmark's parts in small: what is timed, counted and written; figures are not tested."""

import json
import os
import time
from types import SimpleNamespace

import torch

from sapa_hf.paper.benchmark.contenders import B1, Contender, MergedBilinearHead, contenders
from sapa_hf.paper.benchmark.memory import step_memory
from sapa_hf.paper.benchmark.report import write_report
from sapa_hf.paper.benchmark.timing import saved_megabytes, time_side_by_side
from sapa_hf.provenance import hardware, peak_memory_megabytes


def test_every_contender_runs_once_to_warm_up_and_once_a_round():
    calls = []
    found = time_side_by_side({"a": lambda: calls.append("a"), "b": lambda: time.sleep(0.01)}, rounds=3)
    assert calls == ["a"] * 4 and found["b"] > 9 > found["a"]


def test_saved_megabytes_are_those_of_the_backward_pass():
    x = torch.randn(1000, 100, requires_grad=True)
    assert saved_megabytes(lambda: x.exp().sum()) == 0.4  # exp keeps its result, 4 bytes a number
    assert saved_megabytes(lambda: (2 * x).sum()) < 0.001


def test_memory_of_a_step_is_counted_without_taking_it():
    class Doubling(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, images):
            return SimpleNamespace(logits=(images * self.scale).exp())

    contender = Contender(Doubling(), "plain", torch.contiguous_format)
    kept, peak = step_memory(contender, 10_000, 512)  # 31 GB of images
    batch = 4 * 10_000 * 3 * 512 * 512
    assert batch <= kept < 1.001 * batch  # exp keeps its result
    assert peak > 2.9 * batch  # with the images, and a gradient
    assert contender.model.scale.grad is None


def test_report_names_the_machine_that_ran_and_the_settings(tmp_path):
    settings = {"device": "cpu", "dtype": "float32", "commit": "abc"}
    rows = [{"model": "transformers", "inference_ms": 2.0}, {"model": "sapa-b, kernel", "inference_ms": 1.5}]
    text = write_report(tmp_path, {"model": rows}, settings)
    assert "| sapa-b, kernel |          1.50 |" in text and text == (tmp_path / "benchmark.md").read_text()
    about = json.loads((tmp_path / "benchmark.json").read_text())["about"]
    assert about["hardware"] == hardware("cpu") and about["commit"] == "abc"


def test_hardware_and_memory_are_those_of_the_device_that_ran(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # a GPU is there, but not in use
    assert f"({torch.backends.cpu.get_cpu_capability()}), {os.cpu_count()} cores" in hardware("cpu")
    assert peak_memory_megabytes("cpu") > 50


def test_bilinear_done_the_clever_way_gives_the_same_logits():
    head = contenders("cpu")["bilinear"].model.decode_head.eval()
    torch.nn.init.normal_(head.batch_norm.running_mean)
    stages = tuple(
        torch.randn(2, c, s, s + 1) for c, s in zip(B1["hidden_sizes"], (16, 8, 4, 2), strict=True)
    )
    with torch.no_grad():
        torch.testing.assert_close(MergedBilinearHead(head)(stages), head(stages), rtol=1e-4, atol=1e-5)
