"""Opening an image wherever it is stored, so that a damaged, huge or hostile file is an error with a name."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

import fsspec
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

LARGEST_FILE = 1 << 30  # bytes; more than any image within Pillow's limit of pixels needs, but for stacks
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF, which hold stacks
BITS_PER_SAMPLE, PLANAR_CONFIGURATION = 258, 284  # TIFF tags
# EPS runs Ghostscript; the others are stubs, or no photos
REFUSED_FORMATS = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "PDF"}

SIGNED_FORMATS = (
    "PNG",
    "JPEG",
    "TIFF",
    "WEBP",
    "GIF",
    "BMP",
    "JPEG2000",
    "AVIF",
)  # known by their first bytes


class BadSampleError(ValueError):
    """One row or file cannot be read; the others may be fine, so a loader may pass over it."""


def open_image(value: Any, name: str, page: int = 0) -> Image.Image:
    """Open, fully decode and turn upright an image, so that a damaged file fails here, under its row's name.

    Args:
        value: An encoded image as `datasets` gives it with decode=False ({"bytes", "path"}), bytes, a path,
            a URL, an array, or a PIL image.
        name: The row or the file, for messages.
        page: Of a file with several; counted from 0.

    Raises:
        BadSampleError: The file is damaged, too large, or not an image.
    """
    with _opened(value, name) as image:
        if page:
            image.seek(page)
        limit = pixel_limit()
        if limit is not None and image.width * image.height > limit:
            raise Image.DecompressionBombError
        _refuse_wide_planes(image, name)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)  # a copy would double a large photo's memory
        return image


def count_pages(file: str | Path) -> int:
    """Count the pages of an image file, or the frames of an animated one; 1 where it cannot be read.

    The layers of a Photoshop file are not pages: its first is the whole picture.
    """
    try:
        with _opened(file, str(file)) as image:
            return 1 if image.format == "PSD" else getattr(image, "n_frames", 1)
    except BadSampleError:
        return 1


def is_photo(file: Path) -> bool:
    """Whether a file's content begins as a photo's does, whatever its ending; nothing is decoded."""
    try:
        with _stream(file, str(file)) as stream, Image.open(stream, formats=SIGNED_FORMATS):
            return True
    except Exception:  # see `_opened`
        return False


def pixel_limit() -> int | None:
    """The most pixels that an image may have; None where Pillow's limit has been taken away."""
    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


@cache
def readable_formats() -> tuple[str, ...]:
    """The formats that are read: Pillow's, without those that run other programs or hold no photos."""
    Image.preinit()  # the common ones come first
    Image.init()
    return tuple(form for form in Image.ID if form not in REFUSED_FORMATS)


@contextmanager
def _opened(value: Any, name: str) -> Iterator[Image.Image]:
    """Open an image, turning every failure inside into a BadSampleError with the name."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    try:
        if isinstance(value, (np.ndarray, list)):
            yield _from_array(np.asarray(value))
        elif isinstance(value, Image.Image):
            yield value.copy()
        elif isinstance(value, (bytes, str, Path)) and value:
            with warnings.catch_warnings(), _stream(value, name) as stream:
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit, below
                with Image.open(stream, formats=readable_formats()) as image:
                    yield image
        else:
            raise BadSampleError(f"{name}: no image in this row (got {type(value).__name__})")
    except (BadSampleError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise BadSampleError(
            f"{name}: the image has more than {pixel_limit():,} pixels, the most that are read at once: cut "
            "it into tiles or make it smaller (in Python, PIL.Image.MAX_IMAGE_PIXELS sets the limit)"
        ) from error
    except UnidentifiedImageError as error:
        raise BadSampleError(
            f"{name}: not a readable image (no format, or no kind of TIFF, that Pillow reads): save it as an "
            "8-bit PNG or JPEG"
        ) from error
    except Exception as error:  # Pillow's decoders raise errors of any kind on damaged files
        raise BadSampleError(
            f"{name}: not a readable image ({error}): replace the file or drop the row"
        ) from error


@contextmanager
def _stream(value: bytes | str | Path, name: str) -> Iterator[IO[bytes]]:
    """Give the encoded bytes, read as they are needed; streamed image folders have URLs such as hf://."""
    if isinstance(value, bytes):
        yield io.BytesIO(value)
    elif "://" in str(value):
        with fsspec.open(str(value), "rb") as stream:
            yield stream
    else:
        with Path(value).open("rb") as stream:
            size = Path(value).stat().st_size
            if size > LARGEST_FILE and stream.read(4) not in TIFF_SIGNATURES:
                raise BadSampleError(
                    f"{name}: the file has {size / 2**30:.1f} GiB, but an image may have 1 GiB: is it one?"
                )
            stream.seek(0)
            yield stream


def _refuse_wide_planes(image: Image.Image, name: str) -> None:
    """Refuse a TIFF of more than 8 bits with a plane for each colour, which Pillow reads as noise."""
    tags = getattr(image, "tag_v2", {})
    if (
        tags.get(PLANAR_CONFIGURATION) == 2
        and max(tags.get(BITS_PER_SAMPLE, (8,))) > 8
        and len(image.getbands()) > 1
    ):
        raise BadSampleError(
            f"{name}: the TIFF has more than 8 bits and a plane for each colour, which is not read: save it "
            "as an 8-bit PNG, or with its colours interleaved"
        )


def _from_array(array: np.ndarray) -> Image.Image:
    """Wrap a stored array, such as an Array2D column's, as an image."""
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
    elif array.dtype.kind in "iu" and array.dtype.itemsize > 2:
        array = array.astype(np.int32)
    return Image.fromarray(array)
