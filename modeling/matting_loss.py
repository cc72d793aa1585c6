"""The loss of image matting: alpha and composition over the unknown pixels."""

import torch

EPSILON = 1e-6  # of Charbonnier's smooth absolute value
WITH_COLOURS = 7  # channels of labels: alpha, foreground RGB, background RGB


def unknown_pixels(trimap: torch.Tensor) -> torch.Tensor:
    """Mark what a trimap leaves open: all that is neither 0, background, nor 1, foreground."""
    return (trimap > 0) & (trimap < 1)


def matting_loss(
    alpha: torch.Tensor, trimap: torch.Tensor, labels: torch.Tensor, composition_weight: float
) -> torch.Tensor:
    """Average Charbonnier's distance over each image's unknown pixels, then over the images.

    A2U's loss (Dai et al., CVPR 2021): each image's sum is divided by its unknown pixels plus one, also that
    of the composition's three channels. Computed in float32.

    Args:
        alpha: (B, 1, H, W) as predicted, not clipped.
        trimap: (B, 1, H, W).
        labels: (B, H, W) true alpha, or (B, 7, H, W): alpha, foreground and background RGB in 0..1. A pixel
            whose alpha is not finite does not count.
        composition_weight: Share of the composition in the loss where labels have colours.

    Returns:
        A scalar; 0, with a graph, where no pixel counts.

    Raises:
        TypeError: Labels are integers.
        ValueError: The shapes do not fit.
    """
    check_matting_labels(alpha, labels)
    labels = (labels[:, None] if labels.dim() == 3 else labels).float()  # (B, 1 or 7, H, W)
    truth = labels[:, :1]
    counted = unknown_pixels(trimap) & truth.isfinite()  # (B, 1, H, W)
    error = torch.where(counted, alpha.float() - torch.where(counted, truth, 0.0), 0.0)
    loss = _charbonnier(error, counted)
    if labels.shape[1] == WITH_COLOURS:
        contrast = labels[:, 1:4] - labels[:, 4:]  # of two compositions that differ by one of alpha
        composition = _charbonnier(error * contrast, counted)
        loss = (1 - composition_weight) * loss + composition_weight * composition
    return loss


def _charbonnier(error: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    distance = torch.where(counted, (error.square() + EPSILON**2).sqrt(), 0.0)
    return (distance.sum((1, 2, 3)) / (counted.sum((1, 2, 3)) + 1)).mean()


def check_matting_labels(alpha: torch.Tensor, labels: torch.Tensor) -> None:
    """Refuse labels that are not alpha in floating point, of the images' size.

    Raises:
        TypeError: Labels are integers, as stored alpha is.
        ValueError: The shapes do not fit.
    """
    if not labels.is_floating_point():
        raise TypeError(f"labels must be alpha from 0 to 1, got a {labels.dtype} tensor; divide by 255.")
    batch, _, height, width = alpha.shape
    shapes = [(batch, height, width), (batch, 1, height, width), (batch, WITH_COLOURS, height, width)]
    if tuple(labels.shape) not in shapes:
        raise ValueError(
            f"labels must be alpha {shapes[0]}, or {shapes[2]} with foreground and background, got a tensor "
            f"of shape {tuple(labels.shape)}."
        )
