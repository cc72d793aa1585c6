"""The operator in its plainest form: windows copied out, two matrix products, in the dtype of the inputs."""

import torch
import torch.nn.functional as F


def plain_upsample(query, key, value, kernel_size=5, border="zero"):
    height, width = key.shape[1:3]
    reach = kernel_size // 2
    rows = torch.arange(query.shape[1], device=key.device) * height // query.shape[1]
    columns = torch.arange(query.shape[2], device=key.device) * width // query.shape[2]
    inside = torch.ones_like(key[..., :1])
    key, value, inside = (F.pad(x, (0, 0, reach, reach, reach, reach)) for x in (key, value, inside))

    def tap(tensor, n, m):
        return tensor.index_select(1, rows + n).index_select(2, columns + m)

    taps = [(n, m) for n in range(kernel_size) for m in range(kernel_size)]
    keys = torch.stack([tap(key, n, m) for n, m in taps], -2)  # (B, H', W', K * K, d)
    logits = (keys @ query[..., None])[..., 0]
    if border == "mask":
        outside = torch.cat([tap(inside, n, m) for n, m in taps], -1) == 0
        logits = logits.masked_fill(outside, float("-inf"))
    weights = logits.softmax(-1)
    values = torch.stack([tap(value, n, m) for n, m in taps], -2)  # (B, H', W', K * K, C)
    return (weights[..., None, :] @ values)[..., 0, :]


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
