"""Writes heads_and_shift.safetensors: affiliation with heads, every border and a bias, as loops in float64.

    python tests/golden/write_heads_and_shift.py

Written from the operator's description alone; nothing of the package is imported.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

FILE = Path(__file__).with_name("heads_and_shift.safetensors")
CASES = [  # border, (H, W), (H', W'), heads, d, C, K
    ("shift", (5, 7), (10, 14), 2, 3, 4, 5),
    ("shift", (4, 3), (7, 8), 3, 2, 5, 3),
    ("shift", (7, 9), (7, 9), 2, 4, 3, 7),
    ("shift", (9, 10), (18, 10), 1, 2, 3, 9),
    ("zero", (3, 5), (6, 10), 2, 3, 4, 5),
    ("mask", (3, 5), (7, 11), 4, 2, 3, 5),
]


def places(pixel, high, low, kernel_size, border):
    """List the positions under a pixel's taps along one axis; None outside the map."""
    first = pixel * low // high - kernel_size // 2
    if border == "shift":
        first = max(0, min(first, low - kernel_size))
    return [p if 0 <= p < low else None for p in range(first, first + kernel_size)]


def affiliate(query, key, value, rows, columns, kernel_size, border):
    """One image: (H', W', n, d), (H, W, n, d), (H, W, n, C) -> (H', W', n, C)."""
    (high, wide), (low, narrow) = query.shape[:2], key.shape[:2]
    output = []
    for i, j, head in (
        (i, j, head) for i in range(high) for j in range(wide) for head in range(query.shape[2])
    ):
        logits, values = [], []
        for n, y in enumerate(places(i, high, low, kernel_size, border)):
            for m, x in enumerate(places(j, wide, narrow, kernel_size, border)):
                outside = y is None or x is None
                if outside and border == "mask":
                    continue
                score = 0 if outside else (query[i, j, head] * key[y, x, head]).sum()
                logits.append(score + rows[i, n] + columns[j, m])
                values.append(torch.zeros_like(value[0, 0, 0]) if outside else value[y, x, head])
        shares = torch.stack(logits).exp()
        output.append(((shares / shares.sum())[:, None] * torch.stack(values)).sum(0))
    return torch.stack(output).view(high, wide, query.shape[2], -1)


def main():
    """Draw the inputs, and write them with outputs and gradients."""
    torch.manual_seed(0)
    tensors, descriptions = {}, []
    for number, (border, size, guide_size, heads, embedding, channels, kernel_size) in enumerate(CASES):
        shapes = {
            "query": (1, *guide_size, heads, embedding),
            "key": (1, *size, heads, embedding),
            "value": (1, *size, heads, channels),
            "rows": (guide_size[0], kernel_size),
            "columns": (guide_size[1], kernel_size),
        }
        case = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
        leaves = [tensor.requires_grad_() for tensor in case.values()]
        images = [
            affiliate(q, k, v, *leaves[3:], kernel_size, border) for q, k, v in zip(*leaves[:3], strict=True)
        ]
        case["output"] = torch.stack(images)
        case["grad_output"] = torch.randn_like(case["output"])
        grads = torch.autograd.grad(case["output"], leaves, case["grad_output"])
        case |= {f"grad_{name}": grad for name, grad in zip(shapes, grads, strict=True)}
        tensors |= {f"case{number}.{name}": tensor.detach() for name, tensor in case.items()}
        descriptions.append({"border": border, "kernel_size": kernel_size})
    save_file(tensors, FILE, {"cases": json.dumps(descriptions)})


if __name__ == "__main__":
    main()
