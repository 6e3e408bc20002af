"""One record to tensors, and what makes a record unusable."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.dataloaders import decoder
from official_yolact.ops import preprocess


def test_a_record_gives_its_image_and_instances(record: Callable[..., bytes]) -> None:
    boxes = [(8, 10, 24, 40), (0, 0, 48, 64)]
    decoded = decoder.decode_record(record(7, boxes, classes=[3, 1], crowds=[0, 1]), num_classes=4)
    assert preprocess.decode_checked(decoded["encoded"]).shape == (48, 64, 3)
    np.testing.assert_array_equal(decoded["size"], [48, 64])
    assert decoded["image_id"] == 7
    np.testing.assert_allclose(decoded["boxes"] * [48, 64, 48, 64], boxes, atol=1e-4)
    np.testing.assert_array_equal(decoded["classes"], [3, 1])
    np.testing.assert_array_equal(decoded["is_crowd"], [False, True])
    mask = decoder.decode_mask(decoded["masks"][0], tf.constant([48, 64]))
    assert mask.numpy()[8:24, 10:40].all()
    assert mask.numpy().sum() == 16 * 30


def test_a_record_without_instances_gives_empty_lists(record: Callable[..., bytes]) -> None:
    decoded = decoder.decode_record(record(1, []), num_classes=4)
    assert decoded["boxes"].shape == (0, 4)
    assert decoded["masks"].shape == (0,)


def test_a_record_without_the_crowd_field_has_no_crowds(record: Callable[..., bytes]) -> None:
    decoded = decoder.decode_record(record(drop=["image/object/is_crowd"]), num_classes=4)
    np.testing.assert_array_equal(decoded["is_crowd"], [False])


@pytest.mark.parametrize(
    "fault",
    [
        {"image__encoded": [b"no image"]},
        {"drop": ["image/encoded"]},
        {"drop": ["image/source_id"]},
        {"image__source_id": [b"a name"]},
        {"classes": [4]},
        {"classes": [0]},
        {"classes": [1, 2]},
        {"drop": ["image/object/mask"]},
        {"image__object__bbox__xmax": [float("nan")]},
    ],
    ids=str,
)
def test_a_faulty_record_is_an_error(record: Callable[..., bytes], fault: dict[str, Any]) -> None:
    with pytest.raises(tf.errors.OpError):
        decoder.decode_record(record(**fault), num_classes=4)


def test_bytes_that_are_no_example_are_an_error() -> None:
    # In a graph, as in use: eagerly, TensorFlow fails to make its message from the bytes.
    decode = tf.function(lambda serialized: decoder.decode_record(serialized, 4), autograph=False)
    with pytest.raises(tf.errors.OpError):
        decode(tf.constant(b"xxxx"))


def test_a_mask_of_another_size_is_an_error(record: Callable[..., bytes]) -> None:
    decoded = decoder.decode_record(record(), num_classes=4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="mask and image differ in size"):
        decoder.decode_mask(decoded["masks"][0], tf.constant([64, 48]))
