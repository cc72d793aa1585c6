"""Image files as a hostile or careless sender writes them: `hostile_images(seed)` yields (name, bytes).

What reads them must give pixels or a ValueError that names the file, in bounded time and memory.
"""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

FORMS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "TGA", "ICO", "PCX", "JPEG2000", "AVIF")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16", "I;16B")
HUGE = (60_000, 60_000)  # pixels: 10 GB as RGB


def hostile_images(seed: int = 0, count: int = 100) -> Iterator[tuple[str, bytes]]:
    """Yield `count` files: bombs, odd modes and wrong endings first, then random damage to good files."""
    rng, made = np.random.default_rng(seed), 0
    for made, case in enumerate((*_fixed(), *_of_every_mode()), 1):
        if made > count:
            return
        yield case
    Image.init()
    good = [(form, encoded(form)) for form in FORMS if form in Image.SAVE]  # AVIF is newer than the others
    for number in range(made, count):
        form, content = good[rng.integers(len(good))]
        yield f"damaged_{number}.{form.lower()}", damaged(content, rng)


def encoded(form: str, mode: str = "RGB", size: tuple[int, int] = (32, 24), **options) -> bytes:
    """Encode a small photo."""
    stream = io.BytesIO()
    photo = Image.linear_gradient("L").resize(size).convert("RGB")
    (photo if mode == "RGB" else _in_mode(photo, mode)).save(stream, form, **options)
    return stream.getvalue()


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut a file off, change, double or remove some of its bytes, or fill a part with zeros."""
    array = bytearray(content)
    start, length = int(rng.integers(len(array))), int(rng.integers(1, 64))
    kind = rng.integers(5)
    if kind == 0:
        return bytes(array[:start])
    if kind == 1:
        for place in rng.integers(len(array), size=8):
            array[place] = rng.integers(256)
    elif kind == 2:
        array[start : start + length] = bytes(length)
    elif kind == 3:
        array[start:start] = array[start : start + length]
    else:
        del array[start : start + length]
    return bytes(array)


def _fixed() -> Iterator[tuple[str, bytes]]:
    """Yield files that are wrong in a known way."""
    yield "empty.png", b""
    yield "zeros.jpg", bytes(10_000)
    yield "text.png", b"not an image\n" * 100
    yield "page.jpg", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "pointer.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    yield "signature.png", encoded("PNG")[:8]
    yield "bomb.png", png_header(*HUGE)
    yield (
        "full_bomb.png",
        png_header(*HUGE) + _chunk(b"IDAT", zlib.compress(bytes(10**6))) + _chunk(b"IEND", b""),
    )
    yield "flat.png", png_header(0, 10) + _chunk(b"IEND", b"")
    yield "bomb.gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";"
    yield (
        "bomb.bmp",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, *HUGE, 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield (
        "text_bomb.png",
        encoded("PNG")[:33] + _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))) + encoded("PNG")[33:],
    )
    yield "photo.png", encoded("JPEG")  # another format than its ending says
    yield "photo.jpg", encoded("TIFF")
    yield "script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\n"
    yield "turned.jpg", encoded("JPEG", exif=_orientation(99))
    yield (
        "loop.tif",
        b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8),
    )  # a directory that follows itself
    yield "two_pages.tif", _pages_of_two_sizes()


def _of_every_mode() -> Iterator[tuple[str, bytes]]:
    """Yield good files of every mode that a format takes."""
    for mode in MODES:
        for form in ("TIFF", "PNG"):
            try:
                yield f"{mode.replace(';', '_')}.{form.lower()}", encoded(form, mode)
            except (OSError, ValueError):
                continue  # the format has no such mode


def _in_mode(photo: Image.Image, mode: str) -> Image.Image:
    if mode.startswith("I;16"):
        return Image.fromarray(
            np.asarray(photo.convert("L")).astype("<u2" if mode == "I;16" else ">u2") * 256
        )
    return Image.new("LAB", photo.size, 9) if mode == "LAB" else photo.convert(mode)


def png_header(width: int, height: int) -> bytes:
    """Begin an RGB PNG of a size."""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def _pages_of_two_sizes() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 9)).save(stream, "TIFF", save_all=True, append_images=[Image.new("L", (5, 3))])
    return stream.getvalue()
