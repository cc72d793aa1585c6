"""What a run says of SAPA's kernels: how flat they are, their largest logit, whether maps are too small."""

import json
import logging

import pytest
import torch
from tiny_training import NO_DROPOUT, train
from torch import nn

from sapa_hf import build_upsampler
from sapa_hf.training.kernel_log import KernelLog, warning_of_small_maps

ZERO = ["upsampler_border=zero", "upsampler_start=average"]


class OneStep(nn.Module):
    """A network of one upsampling step."""

    def __init__(self, name="sapa-b", **options):
        super().__init__()
        self.step = build_upsampler(name, 8, 8, embedding_dim=4, **options)

    def forward(self, guide, feature):
        return self.step(guide, feature)


def watch(model, side=12):
    log = KernelLog(model)
    with log.watching():
        model(torch.randn(2, 8, 2 * side, 2 * side), torch.randn(2, 8, side, side))
    return log.figures


def test_a_flat_kernel_has_the_entropy_1_and_no_logit():
    model = OneStep(border="zero")
    nn.init.zeros_(model.step.key.weight)
    assert watch(model) == {"step/kernel_entropy": 1.0, "step/largest_logit": 0.0}


def test_a_sharp_kernel_has_a_small_entropy_and_a_large_logit():
    model = OneStep(border="mask")
    nn.init.normal_(model.step.key.weight, std=20)
    nn.init.normal_(model.step.query_guide.weight, std=20)
    figures = watch(model)
    assert figures["step/kernel_entropy"] < 0.1 and figures["step/largest_logit"] > 100


def test_the_prior_of_the_start_counts_among_the_logits():
    model = OneStep(border="mask", start="bilinear")
    nn.init.zeros_(model.step.key.weight)
    figures = watch(model)
    farthest = 2 * 2.25**2  # a corner of the window, in feature positions, squared
    assert figures["step/largest_logit"] == pytest.approx(
        farthest * model.step.prior.falloff.item(), abs=1e-3
    )
    assert 0.3 < figures["step/kernel_entropy"] < 0.7


def test_a_model_without_sapa_is_refused(tmp_path):
    with pytest.raises(ValueError, match="log_kernels needs an upsampler of the SAPA family.*got 'carafe'"):
        train(tmp_path, "upsampler=carafe", "log_kernels=true")


def test_logging_kernels_changes_no_weight_and_only_the_logged_lines(tmp_path):
    options = ("upsampler=sapa-g", "max_steps=4", "eval_steps=4", "log_steps=2", *NO_DROPOUT)
    plain = train(tmp_path / "plain", *options)
    logged = train(tmp_path / "logged", *options, "log_kernels=true")
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, logged.model.state_dict()[name]), name
    lines = [json.loads(line) for line in (tmp_path / "logged" / "log.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "loss" in line]
    steps = [f"decode_head.upsamplers.{number}" for number in range(6)]
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        assert all(0 < line[f"{step}/kernel_entropy"] <= 1 for step in steps)
        assert all(line[f"{step}/largest_logit"] > 0 for step in steps)
    assert lines[0][f"{steps[0]}/largest_logit"] != lines[1][f"{steps[0]}/largest_logit"]
    assert "kernel_entropy" not in (tmp_path / "plain" / "log.jsonl").read_text()


@pytest.mark.parametrize(
    ("border", "side", "warned"), [("zero", 9, True), ("zero", 10, False), ("mask", 3, False)]
)
def test_small_maps_under_the_zero_border_are_warned_of(border, side, warned, caplog):
    model = OneStep(border=border)
    with caplog.at_level(logging.WARNING), warning_of_small_maps(model):
        model(torch.randn(1, 8, 2 * side, 40), torch.randn(1, 8, side, 20))
    assert ("maps of 9 pixels with windows of 5" in caplog.text) == warned
    assert not model.step._forward_pre_hooks


def test_a_run_on_small_maps_warns_once(tmp_path, caplog):
    train(tmp_path, "upsampler=sapa-b", "max_steps=2", "eval_steps=2", *ZERO)
    assert caplog.text.count("upsampler_border=mask, train better") == 1
