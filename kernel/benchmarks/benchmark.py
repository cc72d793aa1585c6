"""For `kernels benchmark /absolute/path/of/this/repository`: the largest of SegFormer-B1's six calls."""

import sys
from pathlib import Path

import torch
from kernels.benchmark import Benchmark

sys.path.insert(0, str(Path(__file__).parent))
from baseline import segformer_calls, tiled


class SapaBenchmark(Benchmark):
    """Forward at batch 1, checked against the frozen tiled form."""

    seed = 0

    def setup_float32(self):
        """Make the tensors of a (64, 64) map, doubled."""
        self.inputs = segformer_calls(1, torch.float32, self.device)[-1]

    def benchmark_float32(self):
        """Run the kernel."""
        self.out = self.kernel.sapa_upsample(*self.inputs)

    def verify_float32(self):
        """Give the expected output, border pixels included."""
        return tiled(*self.inputs)
