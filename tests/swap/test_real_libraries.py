"""The swap on networks of other libraries, as these are: they are kept apart from this environment."""

from pathlib import Path

import pytest
from other_libraries import TORCHVISION, install_apart, run_tests_beside


@pytest.mark.slow
def test_networks_of_other_libraries_are_replaced_without_editing_them():
    folder = install_apart(TORCHVISION, "timm==1.0.31", "segmentation_models_pytorch==0.6.0")
    run_tests_beside(folder, Path(__file__).with_name("real_libraries.py"))
