"""Hand-written networks with another upsampling."""

import pickle

import pytest
import torch
from hand_written import AttentionUNet, PaddedUNet, UNet, sequential_network
from swap_contract import CompiledContract, SwapContract, run, same


class TestUNet(CompiledContract):
    sites = ("up#0", "up#1")

    def network(self):
        return UNet()

    def example(self):
        return torch.randn(2, 3, 32, 48)

    def test_a_swapped_network_is_pickled(self):
        model, example, _ = self.swapped()
        assert same(run(pickle.loads(pickle.dumps(model)), example), run(model, example))


class TestPaddedUNet(CompiledContract):
    sites = ("up",)
    other_size = (65, 41)

    def network(self):
        return PaddedUNet()

    def example(self):
        return torch.randn(2, 3, 33, 49)

    def test_a_swapped_network_is_compiled_in_one_graph(self):
        model, example, _ = self.swapped()
        with pytest.raises(torch._dynamo.exc.Unsupported, match="is padded"):
            torch.compile(model, backend="eager", fullgraph=True)(example)
        torch.testing.assert_close(torch.compile(model, backend="eager")(example), model(example))


class TestSequential(SwapContract):
    sites = ("1.inner.1.inner.1", "1.inner.3")
    mode = "nearest"

    def network(self):
        return sequential_network()

    def example(self):
        return torch.randn(2, 3, 32, 48)


class TestAttentionUNet(SwapContract):
    sites = ("up.0",)
    mode = "nearest"

    def network(self):
        return AttentionUNet()

    def example(self):
        return torch.randn(2, 3, 32, 48)
