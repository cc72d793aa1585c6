"""Parameters and multiply-adds of our models and of their upsamplers alone.

What is counted is what papers of this field count, for one image: the multiply-adds of matrix products and
convolutions. Normalisation, softmax, activations, the gates' mixing and interpolation are left out. FLOPs
are 2 x multiply-adds.

- A model is measured by `torch.utils.flop_counter` while it runs, its upsamplers excepted.
- An upsampler is counted by the formula of its class (`formulas`): its convolutions and projections, its
  inner products, and K^2 C multiply-adds an output pixel where it assembles K x K windows of C channels. The
  reference computes whole tiles, 2.6 times that for K = 5, and finds predicted kernels through one-hot keys,
  which says nothing about the operator.

Two figures of a whole model differ. The paper adds its upsamplers to the plain model, whose head concatenates
four upsampled maps and fuses them at 1/4 (`Complexity.paper`). Our SegFormer head fuses before each last
step, where the maps are four times smaller, if the upsampler reassembles: the same result for less arithmetic
(`Complexity.model`). And the paper's Table 1 counts two projections for SAPA-G where its formula and the
released code have three, as we do.
"""

from .cost import Complexity, Cost
from .counting import count_model, count_upsampler, count_upsamplers
from .formulas import FORMULAS

__all__ = ["FORMULAS", "Complexity", "Cost", "count_model", "count_upsampler", "count_upsamplers"]
