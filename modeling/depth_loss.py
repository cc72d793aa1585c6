"""The scale-invariant logarithmic loss of both depth models."""

import torch

EPSILON = 1e-12  # under the root: its slope at a perfect prediction stays finite
SMALLEST = 1e-3  # metres; a smaller prediction counts as this, so that its logarithm exists


def silog_loss(
    predicted_depth: torch.Tensor,
    labels: torch.Tensor,
    variance_focus: float,
    scale: float = 1.0,
    min_depth: float = 0.0,
    max_depth: float = float("inf"),
) -> torch.Tensor:
    """Compare depths by their logarithms: scale * sqrt(mean(g^2) - variance_focus * mean(g)^2).

    g is the difference of the logarithms (Eigen et al., NeurIPS 2014). BTS takes variance_focus 0.85 and
    scale 10 (Lee et al., 2019, Eq. 4), GLPN 0.5 and 1. Computed in float32.

    Args:
        predicted_depth: (B, H, W), metres.
        labels: (B, H, W), metres; a pixel counts where it is finite, above min_depth and at most max_depth.
        variance_focus: From 0, which forgives no common factor, to 1, which forgives it.
        scale: Factor on the loss.
        min_depth: Metres; 0 leaves out just the pixels without a measurement.
        max_depth: Metres.

    Returns:
        A scalar; 0, with a graph, where prediction and truth agree or no pixel counts.
    """
    valid = torch.isfinite(labels) & (labels > min_depth) & (labels <= max_depth)
    count = valid.sum().clamp(min=1)
    truth = torch.where(valid, labels, 1.0).float()
    difference = predicted_depth.float().clamp(min=SMALLEST).log() - truth.log()
    difference = torch.where(valid, difference, 0.0)
    mean = difference.sum() / count
    # The variance plus a share of the squared mean: the same number without the cancellation.
    spread = torch.where(valid, difference - mean, 0.0).square().sum() / count
    variance = spread + (1 - variance_focus) * mean.square()
    return scale * ((variance + EPSILON).sqrt() - EPSILON**0.5)


def depth_loss(predicted_depth: torch.Tensor, labels: torch.Tensor, config) -> torch.Tensor:
    """Compute a model's loss, `silog_loss` as its config describes it, from labels that were checked.

    Raises:
        TypeError: Labels are integers.
        ValueError: Labels are not as large as the predictions.
    """
    check_depth_labels(labels, predicted_depth)
    return silog_loss(
        predicted_depth,
        labels,
        config.silog_variance_focus,
        config.silog_scale,
        config.min_depth,
        config.max_depth,
    )


def check_depth_config(config) -> None:
    """Refuse depth and loss fields that do not fit, when the config is made.

    Raises:
        TypeError: A field is not a number.
        ValueError: A field is out of range.
    """
    for name in ("min_depth", "max_depth", "silog_variance_focus", "silog_scale"):
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name} must be a number, got {value!r}.")
    if not 0 <= config.min_depth < config.max_depth < float("inf"):
        raise ValueError(
            "min_depth and max_depth must be metres with 0 <= min_depth < max_depth, got "
            f"{config.min_depth} and {config.max_depth}."
        )
    if not 0 <= config.silog_variance_focus <= 1 or not 0 < config.silog_scale < float("inf"):
        raise ValueError(
            "silog_variance_focus must be from 0 to 1 and silog_scale above 0, got "
            f"{config.silog_variance_focus} and {config.silog_scale}."
        )


def check_depth_labels(labels: torch.Tensor, predicted_depth: torch.Tensor) -> None:
    """Refuse labels that are not a map in metres of the prediction's shape.

    Raises:
        TypeError: Labels are integers, as stored millimetres are.
        ValueError: The shapes differ.
    """
    if not labels.is_floating_point():
        raise TypeError(
            f"labels must be metres in floating point, got a {labels.dtype} tensor; divide millimetres by "
            "1000."
        )
    if labels.shape != predicted_depth.shape:
        raise ValueError(
            f"labels must be (B, H, W) = {tuple(predicted_depth.shape)}, the size of the images, got a "
            f"tensor of shape {tuple(labels.shape)}."
        )
