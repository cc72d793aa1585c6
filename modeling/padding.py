"""Any image size for networks that halve the resolution five times."""

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
        ValueError: The images are no batch (B, C, H, W).
    """
    if pixel_values.dim() != 4:
        raise ValueError(
            f"pixel_values must be (B, 3, H, W), but their shape is {tuple(pixel_values.shape)}."
        )
    rows, columns = -pixel_values.shape[2] % MULTIPLE, -pixel_values.shape[3] % MULTIPLE
    if rows == 0 and columns == 0:
        return pixel_values
    return F.pad(pixel_values, (0, columns, 0, rows), mode="replicate")
