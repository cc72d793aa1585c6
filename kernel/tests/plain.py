"""What the kernel is compared with: the operator's definition, in the inputs' dtype; and random inputs."""

import pytest
import torch

# The same file that the models carry: there is one definition.
plain_upsample = pytest.importorskip(
    "sapa_hf.modeling.affiliation_definition", reason="the operator's definition is a part of sapa_hf"
).affiliation_by_definition


def random_inputs(
    batch, size, guide_size, embedding, channels, dtype=torch.float32, device="cpu", grad=False
):
    shapes = (batch, *guide_size, embedding), (batch, *size, embedding), (batch, *size, channels)
    tensors = [torch.randn(shape, dtype=torch.float64).to(device, dtype) for shape in shapes]
    return [tensor.requires_grad_(grad) for tensor in tensors]


def with_gradients(function, tensors, grad_output, *options):
    """Output and gradients, in float64, whatever the tensors' dtype."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    output = function(*leaves, *options)
    output.backward(grad_output.to(output.dtype))
    return [tensor.detach().double() for tensor in (output, *(leaf.grad for leaf in leaves))]
