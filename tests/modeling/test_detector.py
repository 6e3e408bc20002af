import io

import fake_network
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact.modeling import detector
from official_yolact.ops import frames


def encode(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def found_by():
    """Detect with each entry, traced once for any batch and any size of the images."""
    wrapped = detector.Detector(fake_network.FakeNetwork(), fake_network.tiny_config())
    inputs = tf.TensorSpec([None, fake_network.SIZE, fake_network.SIZE, 3])
    return {
        "normalised": tf.function(wrapped.detect, input_signature=[inputs, tf.TensorSpec([None, 4, 2])]),
        "pixels": tf.function(
            wrapped.detect_pixels, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)]
        ),
        "files": tf.function(wrapped.detect_files, input_signature=[tf.TensorSpec([None], tf.string)]),
        "eager": wrapped.detect_pixels,
        "preprocess": wrapped.preprocess,
    }


def test_files_pixels_and_inputs_of_the_network_give_the_same_detections(found_by):
    images = np.stack([np.full((48, 96, 3), level, np.uint8) for level in (230, 20, 180)])
    info = np.stack([frames.fit(image.shape[:2], (fake_network.SIZE,) * 2) for image in images])
    expected = found_by["normalised"](found_by["preprocess"](images), info)
    assert expected["detection_classes"][:, 0].numpy().tolist() == [2, 1, 2]
    for found in (
        found_by["pixels"](images),
        found_by["eager"](images),
        found_by["files"]([encode(image) for image in images]),
    ):
        assert set(found) == set(expected)
        for name, value in found.items():
            np.testing.assert_array_equal(value, expected[name])


def test_files_of_different_sizes_have_boxes_in_pixels_of_their_own(found_by):
    images = [np.full((height, width, 3), 230, np.uint8) for height, width in ((48, 96), (128, 64))]
    found = found_by["files"]([encode(image) for image in images])
    for index, image in enumerate(images):
        alone = found_by["pixels"](image[np.newaxis])
        np.testing.assert_array_equal(found["detection_boxes"][index], alone["detection_boxes"][0])
        # Anchor 27 of 64 pixels: (20, 20, 36, 36).
        height, width = image.shape[:2]
        expected = np.array([20, 20, 36, 36]) / 64 * [height, width, height, width]
        np.testing.assert_allclose(found["detection_boxes"][index, 0], expected, atol=1e-4)
