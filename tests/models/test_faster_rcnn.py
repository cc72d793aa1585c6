"""Faster R-CNN: its config, and, where torchvision can be had, the network itself."""

import sys
from pathlib import Path

import pytest
from other_libraries import TORCHVISION, install_apart, run_tests_beside

from sapa_hf import SapaFasterRcnnConfig, SapaFasterRcnnForObjectDetection


@pytest.mark.slow
@pytest.mark.parametrize("tests", ["faster_rcnn.py", "faster_rcnn_contract.py"])
def test_the_network_is_torchvision_s_with_another_upsampler_and_keeps_the_contract(tests):
    run_tests_beside(install_apart(TORCHVISION), Path(__file__).with_name(tests))


def test_without_torchvision_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models.detection", None)
    with pytest.raises(ImportError, match=r"cannot be imported here.*sapa-hf\[detection\].*2\.13"):
        SapaFasterRcnnForObjectDetection(SapaFasterRcnnConfig())


@pytest.mark.parametrize(
    "fields",
    [
        {"backbone": "vgg16"},
        {"trainable_layers": 6},
        {"batch_norm_eps": -1},
        {"shortest_edge": 0},
        {"shortest_edge": 900, "longest_edge": 800},
        {"upsampler": "max_unpool"},
    ],
)
def test_configs_that_make_no_faster_rcnn_are_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        SapaFasterRcnnConfig(**fields)
