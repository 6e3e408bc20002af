from __future__ import annotations

import inspect
import io
import pathlib
import zlib

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from official_yolact.images import image_files
from official_yolact.images import jpeg_warnings
from official_yolact.ops import preprocess


def picture(height: int = 24, width: int = 40) -> PIL.Image.Image:
    """A quarter of each colour: turning it wrongly shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (250, 10, 10)
    pixels[: height // 2, width // 2 :] = (10, 250, 10)
    pixels[height // 2 :, : width // 2] = (10, 10, 250)
    return PIL.Image.fromarray(pixels)


def save(path: pathlib.Path, image: PIL.Image.Image, orientation: int = 1, **options: object) -> str:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, **options)
    return str(path)


def decode(encoded: image_files.EncodedImage) -> np.ndarray:
    return preprocess.decode_image(tf.constant(encoded.data)).numpy()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_files_are_turned_upright_for_every_orientation(
    orientation: int, suffix: str, tmp_path: pathlib.Path
) -> None:
    path = save(
        tmp_path / f"a.{suffix}", picture(), orientation, **({"quality": 95} if suffix == "jpg" else {})
    )
    upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(path)).convert("RGB"))
    encoded = image_files.read(path, *upright.shape[:2], "x")
    assert (encoded.height, encoded.width) == upright.shape[:2]
    assert encoded.format == {"jpg": "jpeg", "png": "png"}[suffix]
    assert np.abs(decode(encoded).astype(int) - upright).mean() < 2
    assert encoded.changes == (("images_turned",) if orientation > 1 else ())
    assert image_files.read(path, None, None, "x").data == encoded.data


def test_an_orientation_that_the_annotations_do_not_know_is_left_alone(tmp_path: pathlib.Path) -> None:
    path = save(tmp_path / "a.jpg", picture(), 6)
    encoded = image_files.read(path, 24, 40, "x")
    assert encoded.data == pathlib.Path(path).read_bytes()
    assert encoded.changes == ("orientation_ignored",)


def test_a_size_that_is_not_the_files_is_refused(tmp_path: pathlib.Path) -> None:
    path = save(tmp_path / "a.jpg", picture())
    with pytest.raises(
        ValueError, match=r"^c.json: image 3: height and width are 40 and 24, but .*a.jpg has 24 and 40"
    ):
        image_files.read(path, 40, 24, "c.json: image 3")


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "WEBP"])
def test_other_formats_become_png(kind: str, tmp_path: pathlib.Path) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    picture().save(tmp_path / "a.jpg", kind, **options)
    encoded = image_files.read(str(tmp_path / "a.jpg"), 24, 40, "x")
    assert (encoded.format, encoded.changes) == ("png", ("images_transcoded",))
    np.testing.assert_array_equal(decode(encoded), np.asarray(picture()))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "JPEG"),
        ("RGB", "JPEG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("1", "PNG"),
    ],
)
def test_channels_that_tensorflow_converts_are_kept(mode: str, kind: str, tmp_path: pathlib.Path) -> None:
    picture().convert(mode).save(tmp_path / "a.jpg", kind)
    encoded = image_files.read(str(tmp_path / "a.jpg"), 24, 40, "x")
    assert encoded.data == (tmp_path / "a.jpg").read_bytes()
    expected = np.asarray(picture().convert(mode).convert("RGB")).astype(int)
    assert np.abs(decode(encoded) - expected).mean() < (12 if kind == "JPEG" else 1e-9)


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("P", "PNG"), ("CMYK", "TIFF"), ("P", "GIF")])
def test_inks_and_palettes_become_plain_colours(mode: str, kind: str, tmp_path: pathlib.Path) -> None:
    picture().convert(mode).save(tmp_path / "a.jpg", kind)
    encoded = image_files.read(str(tmp_path / "a.jpg"), 24, 40, "x")
    assert encoded.changes == ("images_transcoded",)
    assert encoded.format == ("jpeg" if kind == "JPEG" else "png")
    assert PIL.Image.open(io.BytesIO(encoded.data)).mode == "RGB"
    expected = np.asarray(picture().convert(mode).convert("RGB")).astype(int)
    assert np.abs(decode(encoded) - expected).mean() < 6


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_the_first_of_several_frames_is_taken(kind: str, tmp_path: pathlib.Path) -> None:
    other = PIL.Image.new("RGB", (40, 24), (1, 2, 3))
    options = {"lossless": True} if kind == "WEBP" else {}
    picture().save(tmp_path / "a.gif", kind, save_all=True, append_images=[other], **options)
    encoded = image_files.read(str(tmp_path / "a.gif"), 24, 40, "x")
    np.testing.assert_array_equal(decode(encoded), np.asarray(picture()))


def test_sixteen_bits_a_channel_become_eight(tmp_path: pathlib.Path) -> None:
    deep = np.full((24, 40, 3), 0x5A12, np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), deep)
    encoded = image_files.read(str(tmp_path / "a.png"), 24, 40, "x")
    assert encoded.changes == ("images_transcoded",)
    assert (decode(encoded) == 0x5A).all()


def test_the_high_byte_of_16_bits_is_taken(tmp_path: pathlib.Path) -> None:
    deep = np.full((24, 40), 0x5A12, np.uint16)
    PIL.Image.fromarray(deep).save(tmp_path / "a.tif")
    encoded = image_files.read(str(tmp_path / "a.tif"), 24, 40, "x")
    assert (decode(encoded) == 0x5A).all()
    PIL.Image.fromarray(deep).save(tmp_path / "a.png")
    assert (decode(image_files.read(str(tmp_path / "a.png"), 24, 40, "x")) == 0x5A).all()


def test_the_format_is_the_true_one_whatever_the_name_says(tmp_path: pathlib.Path) -> None:
    picture().save(tmp_path / "a.jpg", "PNG")
    assert image_files.read(str(tmp_path / "a.jpg"), 24, 40, "x").format == "png"


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    picture(200, 200).save(buffer, "JPEG")
    return buffer.getvalue()


def png_of_claimed_size(side: int) -> bytes:
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"
        + header
        + zlib.crc32(header).to_bytes(4, "big")
        + b"\0\0\0\x09IDAT"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "no known image format.*<html"),
        (jpeg_bytes()[:-40], "truncated"),
        (jpeg_bytes()[:100], "replace the file"),
        (png_of_claimed_size(9000), "9000x9000 pixels are more than 50000000"),
    ],
)
def test_unreadable_files_are_named(data: bytes, message: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"^c.json: image 3: .*a.jpg cannot be read .*" + message):
        image_files.read(str(path), None, None, "c.json: image 3")


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0" + b"\xff" * 40]
)
def test_damaged_exif_data_mean_upright(exif: bytes, tmp_path: pathlib.Path) -> None:
    picture().save(tmp_path / "a.jpg", exif=exif)
    encoded = image_files.read(str(tmp_path / "a.jpg"), 24, 40, "x")
    assert (encoded.data, encoded.changes) == ((tmp_path / "a.jpg").read_bytes(), ())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "TGA", "JPEG2000"])
def test_random_damage_is_a_bad_image_or_a_picture(kind: str, tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(4)
    buffer = io.BytesIO()
    picture().save(buffer, kind)
    sound = buffer.getvalue()
    for _ in range(60):
        data = bytearray(sound)
        for at in rng.integers(0, len(data), int(rng.integers(1, 6))):
            data[at] = int(rng.integers(256))
        (tmp_path / "a").write_bytes(bytes(data[: int(rng.integers(1, 2 * len(data)))]))
        try:
            encoded = image_files.read(str(tmp_path / "a"), None, None, "c.json: image 3", 1_000_000)
        except image_files.BadImageError:
            continue
        assert PIL.Image.open(io.BytesIO(encoded.data)).size == (encoded.width, encoded.height)


def photo() -> bytes:
    """A JPEG whose scan has no repetition."""
    pixels = np.random.default_rng(3).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).resize((320, 240)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_damage_that_decoders_pass_over_is_found(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(photo())
    data[6000:6200] = bytes(200)
    (tmp_path / "a.jpg").write_bytes(bytes(data))
    PIL.Image.open(tmp_path / "a.jpg").load()
    with pytest.raises(
        image_files.BadImageError, match=r"a\.jpg cannot be read .*in the compressed data"
    ) as raised:
        image_files.read(str(tmp_path / "a.jpg"), None, None, "c.json: image 3")
    assert raised.value.reason == "image_damaged"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("at", [2000, 6000, 9000, 12000])
def test_two_hundred_zeros_anywhere_in_a_photo_are_found(at: int) -> None:
    data = bytearray(photo())
    data[at : at + 200] = bytes(200)
    assert jpeg_warnings.find(bytes(data))


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (10, 200, 30)])
def test_a_flat_picture_is_not_called_damaged(
    colour: tuple[int, int, int], progressive: bool, optimize: bool
) -> None:
    flat = PIL.Image.new("RGB", (900, 900), colour)
    flat.paste((9, 9, 200), (400, 400, 420, 500))
    for mode in ("RGB", "L"):
        buffer = io.BytesIO()
        flat.convert(mode).save(buffer, "JPEG", optimize=optimize, progressive=progressive)
        assert jpeg_warnings.find(buffer.getvalue() + bytes(500)) == ""


@pytest.mark.shared
def test_sound_photos_are_not_called_damaged(shared: pathlib.Path) -> None:
    photos = sorted(shared.glob("data/**/*.jpg"))[:60]
    assert len(photos) == 60
    assert [path for path in photos if jpeg_warnings.find(path.read_bytes())] == []
    assert jpeg_warnings.find(photo()) == ""


def test_a_limit_of_pixels_can_be_set(tmp_path: pathlib.Path) -> None:
    path = save(tmp_path / "a.jpg", picture())
    with pytest.raises(image_files.BadImageError, match="40x24 pixels are more than 959") as raised:
        image_files.read(path, None, None, "x", 959)
    assert raised.value.reason == "image_too_large"
    assert image_files.read(path, None, None, "x", 960).height == 24


def test_the_limit_is_that_of_reading() -> None:
    for read in (preprocess.check_image, preprocess.decode_image):
        assert inspect.signature(read).parameters["max_pixels"].default == image_files.MAX_PIXELS


def test_warnings_of_a_small_decoding_are_those_of_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    files = []
    for at in range(120):
        pixels = rng.integers(0, 255, (6, 9, 3), np.uint8)
        buffer = io.BytesIO()
        picture = PIL.Image.fromarray(pixels).resize((90, 60)).convert(("RGB", "L", "CMYK")[at % 3])
        picture.save(buffer, "JPEG", progressive=at % 2 == 0)
        data = bytearray(buffer.getvalue())
        if at % 4:
            data[rng.integers(len(data) // 3, len(data))] = rng.integers(256)
        files.append(bytes(data[: len(data) - int(at % 4 == 3) * int(rng.integers(99))]))
    small = [bool(jpeg_warnings.find(data)) for data in files]
    monkeypatch.setattr(jpeg_warnings, "_FLAGS", cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    assert small == [bool(jpeg_warnings.find(data)) for data in files]
    assert 20 < sum(small) < 100
