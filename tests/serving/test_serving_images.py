import functools
import io
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL import ImageOps

from official_yolact.ops import preprocess
from official_yolact.serving import tensorflow_runtime
from official_yolact_runtime.images import arrays as images

read_image = functools.partial(images.read_image, decode=tensorflow_runtime.TensorFlowRuntime.decode)


def pixels(height=6, width=9):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encode(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_give_the_pixels(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    encoded = encode(Image.fromarray(pixels()), kind, **options)
    np.testing.assert_array_equal(read_image(encoded), pixels())


def test_jpeg_passes_through_the_decoder_of_training(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels(40, 50)).save(path)
    expected = np.asarray(preprocess.decode_image(path.read_bytes()))
    np.testing.assert_array_equal(read_image(path), expected)
    np.testing.assert_array_equal(read_image(str(path)), expected)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK"])
def test_every_mode_becomes_rgb(mode):
    picture = Image.fromarray(pixels()).convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = read_image(encode(picture, kind))
    assert image.shape == (6, 9, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_high_byte(kind):
    gray = np.arange(54, dtype=np.uint16).reshape(6, 9) * 1200
    image = read_image(encode(Image.fromarray(gray), kind))
    np.testing.assert_allclose(image[..., 0], gray / 257, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = encode(Image.fromarray(pixels()), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))
    np.testing.assert_array_equal(read_image(encoded), expected)
    np.testing.assert_array_equal(read_image(encoded, size=expected.shape[:2]), expected)


@pytest.mark.parametrize("orientation", range(5, 9))
def test_a_stated_size_that_fits_the_stored_pixels_keeps_them(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = encode(Image.fromarray(pixels()), "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(encoded, size=(6, 9)), pixels())


def test_arrays_pass_unchanged_and_wrong_ones_are_refused():
    assert read_image(pixels()).tolist() == pixels().tolist()
    for wrong in (pixels().astype(np.float32), pixels()[..., 0], pixels()[:0], pixels()[..., :1]):
        with pytest.raises(ValueError, match="expected uint8 RGB"):
            read_image(wrong)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        encode(Image.fromarray(pixels()), "PNG")[:60],
    ],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.jpg") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_jpeg_is_refused_by_name(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(encode(Image.fromarray(pixels(64, 64)), "JPEG")[:-300])
    with pytest.raises(ValueError, match=r"cut\.jpg: damaged JPEG"):
        read_image(path)


def test_a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded():
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = (8000).to_bytes(4, "big") + (7000).to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(ValueError, match="8000x7000 pixels are more than 50000000"):
        read_image(bomb)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jpg: no such picture"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_image(tmp_path)
