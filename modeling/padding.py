"""Any image size for networks that halve the resolution several times."""

import torch
import torch.nn.functional as F

MULTIPLE = 32  # each of the five halvings is then exact


def pad_to_multiple(pixel_values: torch.Tensor) -> torch.Tensor:
    """Repeat the last row and column until both sides are multiples of 32; the result is cropped back.

    Args:
        pixel_values: (B, C, H, W).

    Returns:
        (B, C, H', W') with the image at the top left; the same tensor where nothing is missing.

    Raises:
        ValueError: The images are not a batch (B, C, H, W), or have no pixels.
    """
    check_images(pixel_values)
    return _pad(pixel_values, -pixel_values.shape[2] % MULTIPLE, -pixel_values.shape[3] % MULTIPLE)


def pad_to_smallest(pixel_values: torch.Tensor) -> torch.Tensor:
    """Repeat the last row and column until both sides have 32 pixels at least; else as `pad_to_multiple`."""
    check_images(pixel_values)
    return _pad(
        pixel_values, max(MULTIPLE - pixel_values.shape[2], 0), max(MULTIPLE - pixel_values.shape[3], 0)
    )


def reflect_to_multiple(pixel_values: torch.Tensor, multiple: int) -> torch.Tensor:
    """Mirror an image at its right and lower edge until both sides are multiples; the result is cropped back.

    Args:
        pixel_values: (B, C, H, W); an image smaller than what it lacks is mirrored back and forth.
        multiple: What the sides become multiples of.

    Returns:
        (B, C, H', W') with the image at the top left; the same tensor where nothing is missing.

    Raises:
        ValueError: The images are not a batch (B, C, H, W), or have no pixels.
    """
    check_images(pixel_values)
    for dimension in (2, 3):
        side = pixel_values.shape[dimension]
        if side % multiple:
            places = torch.arange(side - side % -multiple, device=pixel_values.device)
            last = side - 1
            mirrored = last - (places % max(2 * last, 1) - last).abs()  # 0 ... last ... 0 ... last ...
            pixel_values = pixel_values.index_select(dimension, mirrored)
    return pixel_values


def check_images(pixel_values: torch.Tensor) -> None:
    """Refuse what is not a batch of images with pixels."""
    if pixel_values.dim() != 4 or 0 in pixel_values.shape[2:]:
        raise ValueError(
            "pixel_values must be (B, C, H, W) with at least one pixel, got a tensor of shape "
            f"{tuple(pixel_values.shape)}."
        )


def _pad(pixel_values: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    if rows == 0 and columns == 0:
        return pixel_values
    return F.pad(pixel_values, (0, columns, 0, rows), mode="replicate")
