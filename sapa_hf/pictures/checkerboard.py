"""What a matte cuts out of a photo, over a checkerboard."""

import numpy as np

SQUARE = 16  # pixels
SHADES = (230, 170)  # grey levels


def over_checkerboard(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay a photo (H, W, 3) uint8 over a checkerboard by its matte (H, W) in 0..1: (H, W, 3) uint8."""
    rows, columns = np.indices(alpha.shape) // SQUARE
    board = np.where((rows + columns) % 2, *SHADES)[..., None]
    share = alpha[..., None]
    return np.rint(share * photo + (1 - share) * board).astype(np.uint8)
