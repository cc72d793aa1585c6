"""What the page shows of two models, without the page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from huggingface_hub import snapshot_download
from PIL import Image

from sapa_hf.data import decode_image
from sapa_hf.load import load_for_photos
from sapa_hf.model_folder import find_folder
from sapa_hf.paper.visualization import draw_kernels, make_subjects

LONGEST = 768  # pixels of a photo's longer side: more would keep others waiting


class Viewer:
    """Two models that look at the same photo.

    Args:
        models: Two folders or Hub ids.

    Raises:
        ValueError: There are not two, or a model needs more than a photo.
    """

    def __init__(self, models: Sequence[str]):
        if len(models) != 2:
            raise ValueError(
                f"two models must be named, got {len(models)}: name them by --models or SAPA_SPACE_MODELS"
            )
        loaded = [load_for_photos(_folder(model)) for model in models]
        for name, (task, _, _) in zip(models, loaded, strict=True):
            if task.channels != 3:
                raise ValueError(f"models must need a photo alone, got {name}, which is for {task.name}")
        self.predictors = [task.predictor(model, processor) for task, model, processor in loaded]
        self.subjects = make_subjects([model for _, model, _ in loaded])

    @property
    def captions(self) -> tuple[str, ...]:
        """The upsamplers' names."""
        return tuple(subject.caption for subject in self.subjects)

    def predictions(self, photo: np.ndarray) -> tuple[Image.Image, ...]:
        """Draw what each model predicts of a photo (H, W, 3) uint8, all on sheets of one size."""
        drawn = []
        for predictor in self.predictors:
            pictures = predictor.pictures(photo, predictor.predict(photo, "the photo"))
            drawn.append(list(pictures.values())[-1])  # the one for the eye
        size = max(picture.width for picture in drawn), max(picture.height for picture in drawn)
        return tuple(_on_sheet(picture, size) for picture in drawn)

    def kernels(self, photo: np.ndarray, point: tuple[int, int]) -> Image.Image:
        """Draw the kernels at a point x, y of a photo (H, W, 3) uint8, at each step of each model."""
        return draw_kernels(self.subjects, photo, point)


def open_photo(file: str | Path) -> np.ndarray:
    """Read a photo, (H, W, 3) uint8, no longer than `LONGEST` on a side.

    Raises:
        BadSampleError: It is not an image, or too large to be opened.
    """
    photo = Image.fromarray(decode_image(file, "the photo"))
    photo.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(photo)


def _folder(model: str) -> str:
    """Fetch a model from the Hub; a folder stays where it is."""
    folder = find_folder(model)
    return snapshot_download(model, ignore_patterns=["*.py", "*.bin"]) if folder is None else str(folder)


def _on_sheet(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Lay a picture on a white sheet: legends differ in length, and a slider needs pictures of one size."""
    sheet = Image.new("RGB", size, "white")
    sheet.paste(picture.convert("RGB"))
    return sheet
