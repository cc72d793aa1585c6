"""Checks of arguments: each error says what must be, what was given and what to do."""

from collections.abc import Sequence

import torch

BORDERS = ("zero", "mask", "shift")
STARTS = ("average", "bilinear")
NORMALIZATIONS = ("softmax", "relu", "sigmoid", "softplus")
LARGEST_KERNEL = 99  # a config from elsewhere must not ask for any amount of memory


def check_affiliation(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    kernel_size: int,
    border: str,
    normalization: str,
    bias: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> None:
    """Refuse arguments of `sapa_upsample` that do not fit together."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            given = tensor.dtype if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise TypeError(f"{name} must be a floating point tensor, got {given}.")
        if tensor.dim() not in (4, 5):
            raise ValueError(
                f"{name} must be channels-last (B, H, W, C), or (B, H, W, n, C) with heads, got a tensor of "
                f"shape {tuple(tensor.shape)}."
            )
    if not query.device == key.device == value.device:
        raise ValueError(
            "query, key and value must be on one device, got "
            f"{query.device}, {key.device} and {value.device}."
        )
    if (
        key.shape[:-1] != value.shape[:-1]
        or query.shape[0] != key.shape[0]
        or query.shape[3:] != key.shape[3:]
    ):
        raise ValueError(
            "query (B, H', W', d), key (B, H, W, d) and value (B, H, W, C) must agree in B, H, W and d, and "
            "in the heads before d and C if there are any, got the shapes "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}."
        )
    check_sizes(query.shape[1:3], key.shape[1:3])
    check_choice("border", border, BORDERS)
    check_choice("normalization", normalization, NORMALIZATIONS)
    check_kernel_size(kernel_size)
    if bias is not None:
        wanted = [(size, kernel_size) for size in query.shape[1:3]]
        found = [tuple(getattr(table, "shape", ())) for table in bias]
        if found != wanted:
            raise ValueError(
                f"bias must be two tables (H', K) and (W', K), here {wanted[0]} and {wanted[1]}, got {found}."
            )


def check_sizes(guide_size: Sequence[int], feature_size: Sequence[int]) -> None:
    """Refuse a guide that is smaller than the feature, and an empty feature map."""
    if min(feature_size) < 1 or guide_size[0] < feature_size[0] or guide_size[1] < feature_size[1]:
        raise ValueError(
            f"The guide's size {tuple(guide_size)} must be at least the feature's {tuple(feature_size)} "
            "along both axes, and the feature's at least (1, 1): upsampling cannot shrink. "
            "Were guide and feature exchanged?"
        )


def check_shift(feature_size: int, kernel_size: int) -> None:
    """Refuse a map that holds no whole window, for the border "shift"."""
    if kernel_size > feature_size:
        raise ValueError(
            f"border='shift' needs a map of at least kernel_size={kernel_size} positions along both axes, "
            f"got {feature_size}; use a smaller window, or the border 'mask'."
        )


def check_stages(config) -> None:
    """Refuse an encoder of SegFormer or GLPN with a stage that lacks an entry, or with patches apart."""
    stages = config.num_encoder_blocks
    lists = (
        "hidden_sizes",
        "depths",
        "num_attention_heads",
        "sr_ratios",
        "mlp_ratios",
        "patch_sizes",
        "strides",
    )
    for name in lists:
        if len(getattr(config, name)) != stages:
            raise ValueError(
                f"{name} must have one entry for each of the {stages} encoder stages, got "
                f"{getattr(config, name)}."
            )
    pairs = zip(config.strides, config.patch_sizes, strict=True)
    if any(not 1 <= stride <= patch for stride, patch in pairs):
        raise ValueError(
            f"strides must be from 1 to the patch size of their stage, got strides {config.strides} for "
            f"patch_sizes {config.patch_sizes}."
        )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a name that is not among the choices, and list them."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, one of {', '.join(choices)}; got {value!r}.")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


def check_kernel_size(kernel_size: int) -> None:
    """Refuse a window size that has no centre, or that is very large."""
    if isinstance(kernel_size, bool) or not isinstance(kernel_size, int):
        raise TypeError(f"kernel_size must be an odd integer, got {kernel_size!r}.")
    if not 1 <= kernel_size <= LARGEST_KERNEL or kernel_size % 2 == 0:
        nearest = min(max(1, kernel_size + 1), LARGEST_KERNEL)
        raise ValueError(
            f"kernel_size must be odd and from 1 to {LARGEST_KERNEL}, got {kernel_size}; try {nearest}."
        )


def check_heads(heads: int) -> None:
    """Refuse a number of heads that is not a positive integer."""
    if isinstance(heads, bool) or not isinstance(heads, int):
        raise TypeError(f"heads must be a positive integer, got {heads!r}.")
    if heads < 1:
        raise ValueError(f"heads must be at least 1, got {heads}; the paper's SAPA has 1.")


def check_embedding_dim(embedding_dim: int) -> None:
    """Refuse an embedding dimension that is not a positive integer."""
    if isinstance(embedding_dim, bool) or not isinstance(embedding_dim, int):
        raise TypeError(f"embedding_dim must be a positive integer, got {embedding_dim!r}.")
    if embedding_dim < 1:
        raise ValueError(f"embedding_dim must be at least 1, got {embedding_dim}; the paper uses 32 and 64.")
