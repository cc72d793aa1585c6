import io

import numpy as np
import pytest
from hostile_images import hostile_images
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sapa_hf.data import BadSampleError, decode_depth, decode_image, decode_mask
from sapa_hf.data.image_file import count_pages, readable_formats

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return {"bytes": buffer.getvalue(), "path": None}


def rotated(image, orientation, form="JPEG", **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, form, exif=exif, **options)


def photo(height=6, width=4):
    rows = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(rows)


def test_a_colour_photo_comes_out_as_it_went_in():
    assert np.array_equal(decode_image(encoded(photo())), np.asarray(photo()))


def test_transparent_pixels_turn_white_whatever_colour_they_hide():
    image = Image.new("RGBA", (2, 1), (*RED, 255))
    image.putpixel((1, 0), (*RED, 0))
    assert decode_image(encoded(image))[0].tolist() == [list(RED), list(WHITE)]
    grey = Image.new("LA", (2, 1), (40, 255))
    grey.putpixel((1, 0), (40, 0))
    assert decode_image(encoded(grey))[0].tolist() == [[40] * 3, [255] * 3]


def test_a_transparent_palette_entry_turns_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    assert decode_image(encoded(image, transparency=1))[0].tolist() == [list(RED), list(WHITE)]


@pytest.mark.parametrize("mode, value, expected", [("L", 77, 77), ("1", 1, 255), ("I;16", 0x4D99, 0x4D)])
def test_grey_photos_of_any_depth_are_repeated_over_three_channels(mode, value, expected):
    assert decode_image(encoded(Image.new(mode, (3, 2), value))).tolist() == [[[expected] * 3] * 3] * 2


def test_a_photo_of_unlimited_range_is_refused():
    with pytest.raises(ValueError, match="row 3: a photo of mode F .* has no defined brightness range"):
        decode_image(encoded(Image.new("F", (3, 2), 0.5), "TIFF"), "row 3")


def test_cmyk_photos_are_converted():
    pixels = decode_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert pixels.shape == (8, 8, 3) and pixels[4, 4, 0] > 200 and pixels[4, 4, 1] < 60


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_photo_and_mask_alike(orientation):
    mask = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    turned = decode_mask(rotated(mask, orientation, "PNG"))
    seen = decode_image(rotated(mask.convert("RGB"), orientation, "PNG"))
    assert np.array_equal(turned, seen[..., 0])
    assert turned.shape == ((4, 6) if orientation < 5 else (6, 4))


def test_a_palette_mask_gives_indices_not_colours():
    mask = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    mask.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    labels = decode_mask(encoded(mask))
    assert labels.tolist() == [[0, 1, 2]] and labels.dtype == np.uint8


@pytest.mark.parametrize("mode, value", [("L", 200), ("I;16", 4000), ("I", 70000), ("1", 1)])
def test_masks_of_one_number_a_pixel_keep_it(mode, value):
    form = "TIFF" if mode == "I" else "PNG"
    assert (decode_mask(encoded(Image.new(mode, (3, 2), value), form)) == value).all()


@pytest.mark.parametrize("mode, fix", [("RGB", "map its colours"), ("RGBA", "map"), ("LA", "first band")])
def test_masks_of_several_bands_are_refused_with_the_way_out(mode, fix):
    with pytest.raises(ValueError, match=rf"row 7: the mask has mode {mode}.*{fix}"):
        decode_mask(encoded(Image.new(mode, (3, 2))), "row 7")


def test_16_bit_millimetres_become_exact_metres():
    stored = np.array([[0, 1000, 40000]], np.uint16)
    depth = decode_depth(encoded(Image.fromarray(stored)), 0.001)
    assert depth.dtype == np.float32 and np.allclose(depth, [[0, 1, 40]], rtol=1e-6)


def test_float_metres_keep_their_holes():
    stored = np.array([[0, np.nan, np.inf, 2.5]], np.float32)
    depth = decode_depth(encoded(Image.fromarray(stored), "TIFF"), 1.0)
    assert np.array_equal(depth, stored, equal_nan=True)


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_a_wrong_depth_scale_is_named(scale):
    stored = Image.fromarray(np.full((4, 4), 2000, np.uint16))
    with pytest.raises(ValueError, match=rf"row 1: the median is .* with depth_scale={scale}"):
        decode_depth(encoded(stored), scale, "row 1")


def test_depth_without_any_measurement_is_left_to_the_loss():
    assert not decode_depth(encoded(Image.fromarray(np.zeros((2, 2), np.uint16))), 0.001).any()


def test_depth_in_8_bits_is_refused():
    with pytest.raises(ValueError, match="mode L"):
        decode_depth(encoded(Image.new("L", (2, 2))), 0.001)


def test_stored_arrays_are_read_like_files():
    assert decode_mask(np.array([[1, 2]], np.int64)).tolist() == [[1, 2]]
    assert decode_depth([[1.5, 2.0]], 1.0).tolist() == [[1.5, 2.0]]
    assert decode_image(np.asarray(photo())).shape == (6, 4, 3)


@pytest.mark.parametrize(
    "broken", [None, {"bytes": None, "path": None}, b"", b"not an image", "nowhere.jpg", 3]
)
def test_what_is_no_image_is_named_by_its_row(broken):
    with pytest.raises(BadSampleError, match="train\\[5\\]"):
        decode_image(broken, "train[5]")


def test_a_truncated_jpeg_is_named_by_its_row():
    whole = encoded(photo(64, 64), "JPEG")["bytes"]
    with pytest.raises(BadSampleError, match="train\\[5\\]: not a readable image .*truncated"):
        decode_image(whole[: len(whole) // 2], "train[5]")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow remarks on odd tags
def test_hostile_files_give_pixels_or_a_named_error_and_nothing_else(tmp_path):
    for name, content in hostile_images(seed=0, count=120):
        (tmp_path / name).write_bytes(content)
        assert count_pages(tmp_path / name) in (1, 2)
        for decode in (decode_image, decode_mask, lambda value, row: decode_depth(value, 0.001, row)):
            try:
                assert decode(tmp_path / name, "row 2").ndim >= 2, name
            except ValueError as error:
                assert "row 2" in str(error), name


def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    for name, start in (("a.webp", b"RIFF\0\0\0\0WEBP"), ("a.jpg", b"\xff\xd8\xff")):
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(3 << 30)  # a hole: no disk is used
        with pytest.raises(BadSampleError, match="row 1: the file has 3.0 GiB"):
            decode_image(tmp_path / name, "row 1")


def test_a_photo_beyond_the_limit_of_pixels_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    pages = [Image.new("L", (4, 4)), Image.new("L", (5, 5))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert decode_image(tmp_path / "a.tif", page=0).shape == (4, 4, 3)
    with pytest.raises(BadSampleError, match="row 1: the image has more than 20 pixels.*tiles"):
        decode_image(tmp_path / "a.tif", "row 1", page=1)


def test_postscript_is_not_run():
    assert "EPS" not in readable_formats()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow remarks on odd tags
@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["PNG", "TIFF", "JPEG", "BMP", "GIF"]), st.data())
def test_damaged_files_give_pixels_or_a_named_error_and_nothing_else(form, data):
    content = bytearray(encoded(photo().convert("L"), form)["bytes"])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for decode in (decode_image, decode_mask, lambda value, name: decode_depth(value, 0.001, name)):
        try:
            assert decode(bytes(content), "row 2").ndim >= 2
        except ValueError as error:
            assert "row 2" in str(error)
