"""What photo files hold in practice, through the one decoder of training, prediction and export."""

from __future__ import annotations

import io
import pathlib
import struct
import subprocess
import sys
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact.ops import preprocess


def _photo() -> Image.Image:
    rows, columns = np.mgrid[:40, :60]
    planes = [rows * 6, columns * 4, (rows + columns) * 2 + 20]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _decode(encoded: bytes) -> np.ndarray:
    decode = tf.function(preprocess.decode_image, [tf.TensorSpec([], tf.string)], autograph=False)
    return decode(tf.constant(encoded)).numpy()


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 2}, {"subsampling": 0}], ids=str)
def test_every_kind_of_colour_jpeg_gives_pillow_s_pixels(options: dict[str, Any]) -> None:
    encoded = _save(_photo(), "JPEG", quality=90, **options)
    np.testing.assert_array_equal(_decode(encoded), Image.open(io.BytesIO(encoded)))


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("P", "PNG")])
def test_grey_bits_and_palettes_become_rgb(mode: str, kind: str) -> None:
    encoded = _save(_photo().convert(mode), kind)
    np.testing.assert_array_equal(_decode(encoded), Image.open(io.BytesIO(encoded)).convert("RGB"))


def test_transparency_is_left_out_and_not_blended() -> None:
    image = _photo().convert("RGBA")
    image.putalpha(10)
    np.testing.assert_array_equal(_decode(_save(image, "PNG")), _photo())


def test_four_colour_jpegs_keep_their_size_and_colours() -> None:
    encoded = _save(_photo().convert("CMYK"), "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), np.float64)
    decoded = _decode(encoded)
    assert decoded.shape == (40, 60, 3)
    assert np.abs(decoded - expected).mean() < 8.0


def test_grey_of_16_bits_gives_its_high_byte() -> None:
    deep = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60) * 27
    encoded = cv2.imencode(".png", deep)[1].tobytes()
    np.testing.assert_allclose(_decode(encoded), np.stack([deep / 257.0] * 3, axis=-1), atol=1.0)


def test_an_animated_gif_gives_one_image() -> None:
    frames = [_photo().convert("P"), Image.new("P", (60, 40))]
    encoded = _save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(_decode(encoded), Image.open(io.BytesIO(encoded)).convert("RGB"))


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
def test_formats_whose_size_is_not_known_beforehand_are_refused(kind: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a JPEG, PNG, GIF or BMP file"):
        _decode(_save(_photo(), kind))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_file_is_an_error(kind: str, kept: float) -> None:
    encoded = _save(_photo(), kind)
    with pytest.raises(tf.errors.OpError):
        _decode(encoded[: int(len(encoded) * kept)])


def _bomb(side: int) -> bytes:
    """A PNG of one bit a pixel, all zero, in a few kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * ((side // 8 + 1) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


_WATCH = """
import sys
from peak_memory import peak_kb
import tensorflow as tf
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import yolact_input
parser = yolact_input.Parser(configs.Parser(), configs.YolactModel(num_classes=4, input_size=[64, 64]), True)
parse = tf.function(parser.parse, autograph=False)
good, *bad = list(tf.data.TFRecordDataset(sys.argv[1]))
parse(good, tf.constant(0, tf.int64))
before = peak_kb()
for record in bad:
    try:
        parse(record, tf.constant(0, tf.int64))
    except tf.errors.InvalidArgumentError as error:
        print("refused", "more than 50000000 pixels" in str(error), "differ in size" in str(error))
print("grown", (peak_kb() - before) // 1024)
"""


def _record(image: bytes, mask: bytes) -> bytes:
    example = tf.train.Example()
    feature = example.features.feature
    feature["image/encoded"].bytes_list.value.append(image)
    feature["image/source_id"].bytes_list.value.append(b"1")
    for side, value in (("ymin", 0.1), ("xmin", 0.1), ("ymax", 0.9), ("xmax", 0.9)):
        feature[f"image/object/bbox/{side}"].float_list.value.append(value)
    feature["image/object/class/label"].int64_list.value.append(1)
    feature["image/object/mask"].bytes_list.value.append(mask)
    serialized: bytes = example.SerializeToString()
    return serialized


def test_bombs_in_a_record_are_refused_by_their_header(
    tmp_path: pathlib.Path, helper_environment: dict[str, str]
) -> None:
    bomb = _bomb(20_000)
    assert len(bomb) < 100_000
    good = _save(Image.new("L", (60, 40), 1), "PNG")
    photo = _save(_photo(), "PNG")
    path = str(tmp_path / "bombs.tfrecord")
    with tf.io.TFRecordWriter(path) as file:
        for record in (_record(photo, good), _record(bomb, good), _record(photo, bomb)):
            file.write(record)
    ended = subprocess.run(
        [sys.executable, "-c", _WATCH, path],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
        env=helper_environment,
    )
    *refusals, grown = ended.stdout.split("\n")[:-1]
    assert refusals == ["refused True False", "refused False True"]
    assert int(grown.split()[1]) < 100


@pytest.mark.parametrize(
    "options",
    [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}, {"quality": 30}],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_part_of_a_jpeg_is_that_of_the_whole(options: dict[str, Any], mode: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (83, 121, 3), np.uint8)
    encoded = tf.constant(_save(Image.fromarray(noise).convert(mode), "JPEG", **options))
    whole = preprocess.decode_image(encoded).numpy()
    size = np.array(whole.shape[:2])
    rng = np.random.default_rng(0)
    corners = np.sort(rng.integers(0, size + 1, (60, 2, 2)), axis=1).astype(np.int32)
    corners[:4] = [[[0, 0], size], [[5, 7], [5, 9]], [[0, 0], [0, 0]], [size, size]]
    for first, last in corners:
        ends = tf.constant(first), tf.constant(last)
        part = preprocess.decode_part(encoded, tf.constant(size, tf.int32), *ends)
        np.testing.assert_array_equal(part, whole[first[0] : last[0], first[1] : last[1]])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_a_part_of_another_file_is_that_of_the_whole(kind: str) -> None:
    encoded = _save(_photo(), kind)
    whole = preprocess.decode_image(encoded).numpy()
    part = preprocess.decode_part(
        tf.constant(encoded), tf.constant(whole.shape[:2]), tf.constant([3, 4]), tf.constant([20, 31])
    )
    np.testing.assert_array_equal(part, whole[3:20, 4:31])


@pytest.mark.parametrize("lost", [2, 100])
def test_a_part_of_a_jpeg_that_was_cut_short_is_an_error(lost: int) -> None:
    encoded = _save(_photo(), "JPEG")[:-lost]
    size, first, last = (tf.constant(each) for each in (_photo().size[::-1], [0, 0], [8, 8]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocess.decode_part(tf.constant(encoded), size, first, last)
