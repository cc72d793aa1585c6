"""Refusals of arguments that do not fit, saying what came, what is needed and what to do."""

LARGEST_KERNEL = 99  # a config from elsewhere is not to ask for any amount of memory


def check_sizes(guide_size: tuple[int, int], feature_size: tuple[int, int]) -> None:
    """Refuse a guide that is smaller than the feature, and an empty feature map."""
    if min(feature_size) < 1 or guide_size[0] < feature_size[0] or guide_size[1] < feature_size[1]:
        raise ValueError(
            f"The guide's size {tuple(guide_size)} must be at least the feature's {tuple(feature_size)} "
            "along both axes, and the feature's at least (1, 1): upsampling cannot shrink. "
            "Were guide and feature exchanged?"
        )


def check_stages(config) -> None:
    """Refuse a SegFormer or GLPN encoder whose lists are not of one entry a stage."""
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
                f"{name} must have one entry for each of the {stages} encoder stages, but "
                f"{getattr(config, name)} came."
            )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a name that is not among the choices, and say which there are."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, one of {', '.join(choices)}; {value!r} came.")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; {value!r} came.")


def check_kernel_size(kernel_size: int) -> None:
    """Refuse a window size that has no centre."""
    if isinstance(kernel_size, bool) or not isinstance(kernel_size, int):
        raise TypeError(f"kernel_size must be an odd integer, but {kernel_size!r} came.")
    if not 1 <= kernel_size <= LARGEST_KERNEL or kernel_size % 2 == 0:
        nearest = min(max(1, kernel_size + 1), LARGEST_KERNEL)
        raise ValueError(
            f"kernel_size must be odd and from 1 to {LARGEST_KERNEL}, but {kernel_size} came; try {nearest}."
        )


def check_embedding_dim(embedding_dim: int) -> None:
    """Refuse an embedding dimension that is no positive integer."""
    if isinstance(embedding_dim, bool) or not isinstance(embedding_dim, int):
        raise TypeError(f"embedding_dim must be a positive integer, but {embedding_dim!r} came.")
    if embedding_dim < 1:
        raise ValueError(
            f"embedding_dim must be at least 1, but {embedding_dim} came; the paper uses 32 and 64."
        )
