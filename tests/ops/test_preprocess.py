"""Bytes to network input."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact.ops import preprocess

_MEAN, _STD = (123.68, 116.78, 103.94), (58.40, 57.12, 57.38)


def _photo(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _encode(image: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_the_claimed_size_is_that_of_the_image(kind: str) -> None:
    np.testing.assert_array_equal(preprocess.read_image_size(_encode(_photo(), kind)), [40, 60])


def test_bytes_that_are_no_image_claim_no_size() -> None:
    np.testing.assert_array_equal(preprocess.read_image_size(b"<html>"), [0, 0])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_images_decode_to_the_pixels_that_pillow_sees(kind: str) -> None:
    encoded = _encode(_photo(), kind)
    np.testing.assert_array_equal(
        preprocess.decode_image(encoded), np.asarray(Image.open(io.BytesIO(encoded)))
    )


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_every_png_mode_gives_three_channels(mode: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(_photo()).convert(mode).save(buffer, "PNG")
    assert preprocess.decode_image(buffer.getvalue()).shape == (40, 60, 3)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.fromarray(_photo()).convert("P") for _ in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert preprocess.decode_image(buffer.getvalue()).shape == (40, 60, 3)


def test_an_image_that_claims_too_many_pixels_is_refused_before_decoding() -> None:
    claims = bytearray(_encode(_photo(), "PNG"))
    claims[16:24] = struct.pack(">II", 20_000, 20_000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 50000000 pixels"):
        preprocess.decode_image(bytes(claims))
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 2399 pixels"):
        preprocess.decode_image(_encode(_photo(), "JPEG"), max_pixels=2399)


@pytest.mark.parametrize("encoded", [b"", b"xx", b"<html></html>", b"\xff\xd8\xff", b"\x89PNG\r\n"])
def test_unreadable_bytes_are_an_error(encoded: bytes) -> None:
    with pytest.raises(tf.errors.OpError):
        preprocess.decode_image(encoded)


def test_a_truncated_jpeg_is_an_error() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocess.decode_image(_encode(_photo(), "JPEG")[:-200])


def test_resizing_halves_by_averaging_two_by_two() -> None:
    image = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    expected = image.reshape(2, 2, 2, 2).mean(axis=(1, 3))[..., np.newaxis]
    np.testing.assert_allclose(preprocess.resize_image(image, (2, 2)), expected)


def test_resizing_does_not_antialias() -> None:
    # A quarter of the size: each result looks at the two middle pixels of its four.
    image = np.array([[0.0, 8.0, 2.0, 100.0] * 2], np.float32)[..., np.newaxis]
    np.testing.assert_allclose(preprocess.resize_image(image, (1, 2))[0, :, 0], [5.0, 5.0])


@pytest.mark.parametrize("compiled", [False, True])
def test_normalisation_takes_each_channel_by_itself(compiled: bool) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (2, 5, 7, 3)).astype(np.float32)
    normalize = tf.function(
        lambda x: preprocess.normalize_image(x, _MEAN, _STD), jit_compile=compiled, autograph=False
    )
    expected = (image - np.float32(_MEAN)) / np.float32(_STD)
    np.testing.assert_allclose(normalize(image), expected, rtol=1e-6, atol=1e-6)


def test_normalisation_works_where_the_size_is_not_known() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (5, 7, 3)).astype(np.float32)
    normalize = tf.function(
        lambda x: preprocess.normalize_image(x, _MEAN, _STD),
        input_signature=[tf.TensorSpec([None, None, 3])],
        autograph=False,
    )
    np.testing.assert_allclose(normalize(image), (image - _MEAN) / _STD, rtol=1e-5, atol=1e-5)


@pytest.mark.shared
def test_the_network_input_is_the_original_s(shared) -> None:  # type: ignore[no-untyped-def]
    fixture = np.load(shared / "fixtures" / "yolact_resnet50_small.npz")
    if "input_nchw_rgb" in fixture:
        expected = fixture["input_nchw_rgb"]
    else:
        shape = tuple(fixture["input_nchw_rgb__shape"])
        expected = None
        stride, sampled = int(fixture["input_nchw_rgb__k"]), fixture["input_nchw_rgb__s"]
        assert shape == (2, 3, 550, 550)
    images = fixture["image_bgr_uint8"][..., ::-1]
    ours = preprocess.preprocess_image(images, (550, 550), _MEAN, _STD).numpy().transpose(0, 3, 1, 2)
    if expected is None:
        # Two bilinear kernels agree to about 0.012 of 255.
        np.testing.assert_allclose(ours.ravel()[::stride], sampled, atol=0.02 / 57)
    else:
        np.testing.assert_allclose(ours, expected, atol=0.02 / 57)
