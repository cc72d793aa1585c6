"""What enters a model for a photo: exactly what the processor saved beside it makes of the photo."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor

from sapa_hf.data.transforms import resized_size

SMALLEST = 32  # pixels; below, the deepest stages of an encoder have nothing to look at
# What our training adds to a processor whose sides are rounded up. transformers keeps it without reading it.
ROUNDED = "sides_multiple_of"
# Steps that change values or the size, and nothing else. Others, such as a crop, would shift the prediction.
STEPS = {
    "do_resize",
    "do_rescale",
    "do_normalize",
    "do_reduce_labels",
    "do_convert_rgb",
    "do_flip_channel_order",
}


class PhotoInput:
    """Turn photos into what a model takes.

    Without further arguments this is what the processor does. A short side, or a scale, takes the place of
    its size and leaves it the rest.

    Args:
        processor: saved beside the model, of transformers.
        short_side: the photo is resized, its ratio kept, until its short side has this length or the long
            one `max_side`; 0 keeps the photo's own size; None leaves the size to the processor.
        max_side: longest side allowed when short_side is given.
        multiple: both sides are rounded up to multiples of this. None leaves them as the processor has them,
            and takes the usual one where short_side or a scale decides.

    Attributes:
        output: what the model's output calls the prediction.
        channels: of what enters: a photo's three, or more where a map lies behind it.
        usual: the multiple that models of this kind are best at.

    Raises:
        ValueError: a size makes no sense, or the processor has a step that is not supported.
    """

    output: str
    channels = 3
    usual = 1

    def __init__(
        self,
        processor: BaseImageProcessor,
        short_side: int | None = None,
        max_side: int = 2048,
        multiple: int | None = None,
    ):
        if short_side is not None and not 0 <= short_side <= max_side:
            raise ValueError(f"short_side must be in 0..max_side={max_side}, got {short_side}")
        if multiple is not None and multiple < 1:
            raise ValueError(f"multiple must be at least 1, got {multiple}; SegFormer wants 32")
        self.processor, self.short_side = processor, short_side
        self.max_side, self.multiple = max_side, multiple
        self._check_processor()

    @property
    def protocol(self) -> dict[str, Any]:
        """The size that photos enter at, in words."""
        multiple = self._multiple()
        if self.short_side:
            size = f"short side {self.short_side}, long side at most {self.max_side}"
        elif self.short_side == 0 or not self._resizes:
            size = "the photo's own"
        else:
            fields = dict(getattr(self.processor, "size", None) or {})
            size = ", ".join(f"{name} {side}" for name, side in fields.items() if side) or "the processor's"
        return {"size": size} | ({"sides rounded up to multiples of": multiple} if multiple > 1 else {})

    def input_size(self, shape: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
        """Size (height, width) at which a photo (height, width) enters the model."""
        if self.short_side:
            size = resized_size(shape, (self.max_side, self.short_side), scale)
        else:
            size = shape if self.short_side == 0 else self._processed_size(shape)
            if scale != 1:
                size = resized_size(size, (max(size), min(size)), scale)
        multiple = self._multiple(scale)
        height, width = (-(-side // multiple) * multiple for side in size)
        return height, width

    def pixel_values(self, image: np.ndarray, scale: float = 1.0) -> Tensor:
        """Turn a photo (H, W, 3) uint8 into float32 (1, 3, h, w)."""
        if self.short_side is None and scale == 1 and self._multiple() == 1:
            return self._process(image)
        height, width = self.input_size(image.shape[:2], scale)
        resample = getattr(self.processor, "resample", None)
        resample = Image.Resampling.BILINEAR if resample is None else Image.Resampling(int(resample))
        resized = Image.fromarray(image).resize((width, height), resample)
        return self._process(np.asarray(resized), do_resize=False)

    def run(self, model: nn.Module, pixel_values: Tensor, name: str) -> Tensor:
        """Run a model on what enters it, (1, 3, h, w), in the model's precision.

        Returns:
            Its prediction, float32.

        Raises:
            ValueError: the model cannot take this size; the message calls the photo `name`.
        """
        first = next(model.parameters())
        try:
            output = model(pixel_values=pixel_values.to(first.device, first.dtype))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            height, width = pixel_values.shape[-2:]
            raise ValueError(
                f"{name}: the model cannot compute an input of {height} x {width} pixels ({error}): choose "
                "another short_side"
            ) from error
        return getattr(output, self.output).float()

    def enlarged(self, image: np.ndarray) -> np.ndarray:
        """Repeat the last row and column of a photo that would enter the model below 32 pixels."""
        missing = [max(SMALLEST - side, 0) for side in image.shape[:2]]
        if not any(missing) or min(self.input_size(image.shape[:2])) >= SMALLEST:
            return image
        return np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")

    @property
    def _resizes(self) -> bool:
        """Whether the processor may change a photo's size."""
        return bool(getattr(self.processor, "do_resize", True))

    def _multiple(self, scale: float = 1.0) -> int:
        if self.multiple is not None:
            return self.multiple
        if self.short_side is None and scale == 1:
            return getattr(self.processor, ROUNDED, 1)
        if self.short_side == 0 and scale == 1:
            return 1
        return max(self.usual, getattr(self.processor, "size_divisor", None) or 1)  # as GLPN's has it

    def _process(self, image: np.ndarray, **options: Any) -> Tensor:
        batch = self.processor(image, return_tensors="pt", input_data_format="channels_last", **options)
        return batch["pixel_values"].float()  # (1, 3, h, w)

    def _processed_size(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Ask the processor for a photo's size in the model; (0, 0) for a photo that is too small for it."""
        if not self._resizes:
            return shape
        try:
            values = self._process(
                np.zeros((*shape, self.channels), np.uint8), do_rescale=False, do_normalize=False
            )
        except ValueError:
            return 0, 0
        height, width = values.shape[-2:]
        return height, width

    def _check_processor(self) -> None:
        """Refuse steps that are not supported, and a processor that cannot prepare a photo at all."""
        kind, fields = type(self.processor).__name__, self.processor.to_dict()
        others = [
            name for name, value in fields.items() if name.startswith("do_") and value and name not in STEPS
        ]
        if fields.get("crop_pct"):
            others.append("crop_pct")
        if others:
            raise ValueError(
                f"the saved processor has {others[0]}={fields[others[0]]!r}, with which the prediction would "
                "not cover the photo: set it to false in preprocessor_config.json"
            )
        try:
            values = self._process(np.zeros((64, 96, self.channels), np.uint8))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"the saved {kind} with size={fields.get('size')} cannot prepare a photo: {error}"
            ) from error
        if values.dim() != 4 or len(values) != 1:
            raise ValueError(f"the saved {kind} makes {tuple(values.shape)} of one photo, not (1, 3, h, w)")


def check_channels(model: PreTrainedModel, name: str, expected: int = PhotoInput.channels) -> None:
    """Refuse a model that takes something else than its task's pictures.

    Raises:
        ValueError: it has another number of channels than expected.
    """
    channels = getattr(model.config, "num_channels", expected)
    if channels != expected:
        raise ValueError(
            f"photos have {expected} channels here, but {name} takes {channels} (num_channels in its "
            "config.json): give a model for such photos"
        )
