"""Which tests of the models repeat those of another."""

import pytest
from model_contract import ModelContract


def pytest_itemcollected(item):
    """Mark what a model keeps of the contract that SegFormer keeps too."""
    case = getattr(item, "cls", None)
    if case and issubclass(case, ModelContract) and case.__name__ != "TestSapaSegformer":
        item.add_marker(pytest.mark.repeated)
