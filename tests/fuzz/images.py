"""Images that no camera wrote."""

import io
import struct
import zlib
from random import Random

from PIL import Image

from .damage import damaged_bytes

KINDS = (
    ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I")),
    ("JPEG", ("L", "RGB", "CMYK")),
    ("GIF", ("L", "P")),
    ("TIFF", ("1", "L", "RGB", "RGBA", "CMYK", "LAB", "F", "I;16")),
    ("BMP", ("1", "L", "RGB")),
    ("WEBP", ("RGB", "RGBA")),
    ("PPM", ("1", "L", "RGB")),
    ("TGA", ("L", "RGB", "RGBA")),
    ("ICO", ("RGB",)),
)


def hostile_image(random: Random) -> tuple[str, bytes]:
    """Make a file's ending and its bytes: odd modes and sizes, damaged bytes, sizes that are not true."""
    kind, modes = random.choice(KINDS)
    size = random.choice(((1, 1), (1, 300), (300, 1), (31, 33), (64, 48), (90, 120)))
    image, stream = Image.new(random.choice(modes), size, random.randrange(2)), io.BytesIO()
    pages = [image] * random.choice((1, 1, 3)) if kind in ("GIF", "TIFF") else [image]
    options = {"save_all": True, "append_images": pages[1:]} if pages[1:] else {}
    if kind == "ICO":
        options = {"sizes": [(1, 1)]}
    image.save(stream, kind, **options)
    data = stream.getvalue()
    if kind == "PNG" and random.random() < 0.4:
        data = _with_size(data, *random.choice(((0, 5), (2**31 - 1, 2**31 - 1), (60_000, 60_000), (5000, 3))))
    elif random.random() < 0.6:
        data = damaged_bytes(random, data)
    return random.choice((f".{kind.lower()}", ".png", ".jpg")), data


def _with_size(png: bytes, width: int, height: int) -> bytes:
    """Let a PNG claim another size, with a checksum that says so too."""
    chunk = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]
