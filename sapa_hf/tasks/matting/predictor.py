"""Prediction of mattes: a PNG of alpha, and what it cuts out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.data import decode_image, decode_trimap, join_trimap
from sapa_hf.pictures import over_checkerboard

from .whole_matte import WholeMatte


class MattingPredictor:
    """Turn a photo and its trimap into a matte and a picture of it.

    Args:
        model: a matting model, in eval mode on its device.
        processor: the image processor saved beside the model.
        trimaps: folder of the trimaps of files, each named as its photo, whatever the ending.

    Raises:
        ValueError: the folder is not there.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: BaseImageProcessor | None = None,
        trimaps: str | Path | None = None,
    ):
        if trimaps is not None and not Path(trimaps).is_dir():
            raise ValueError(f"trimaps must be a folder, got {trimaps}")
        self.model, self.trimaps = model, trimaps
        self.inference = WholeMatte(processor)

    def read(self, file: Path, name: str, page: int = 0) -> np.ndarray:
        """Read a photo and the trimap of its name: (H, W, 4) uint8.

        Raises:
            ValueError: there is no such trimap or more than one, or its size is another.
        """
        if self.trimaps is None:
            raise ValueError(
                f"{name} needs a trimap: give trimaps, the folder of trimaps named as the photos"
            )
        found = sorted(other for other in Path(self.trimaps).iterdir() if other.stem == file.stem)
        if len(found) != 1:
            there = ", ".join(other.name for other in found) or "none"
            raise ValueError(f"{name} must have one trimap {file.stem}.* in {self.trimaps}, got {there}")
        return join_trimap(decode_image(file, name, page), decode_trimap(found[0], str(found[0])), name)

    def predict(self, image: np.ndarray, name: str = "image") -> np.ndarray:
        """Predict the matte (H, W), 0 to 1, of a photo with its trimap (H, W, 4); errors call it `name`."""
        return self.inference.predict(self.model, image, name)

    def pictures(self, image: np.ndarray, alpha: np.ndarray) -> dict[str, Image.Image]:
        """Draw a prediction.

        Returns:
            "alpha": 8 bits, grey; "composite": RGB, the foreground over a checkerboard.
        """
        return {
            "alpha": Image.fromarray(np.rint(255 * alpha).astype(np.uint8)),
            "composite": Image.fromarray(over_checkerboard(image[..., :3], alpha)),
        }
