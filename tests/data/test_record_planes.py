"""Masks stacked in planes, and the examples that come of them."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import decoder
from official_yolact.dataloaders import yolact_input
from official_yolact.records import mask_planes

_SIZE = (40, 56)


def _masks(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    masks = []
    for _ in range(count):
        mask = np.zeros(_SIZE, np.uint8)
        top, left = rng.integers(0, [30, 40])
        bottom, right = rng.integers([top + 1, left + 1], [41, 57])
        mask[top:bottom, left:right] = rng.random((bottom - top, right - left)) < 0.8
        mask[top, left] = 1
        masks.append(mask)
    return masks


def _stack(masks: list[np.ndarray]) -> bytes:
    planes = mask_planes.Planes(*masks[0].shape)
    for mask in masks:
        planes.add(mask)
    return planes.encode()


def _record(masks: list[np.ndarray], planes: bytes) -> bytes:
    example = tf.train.Example()
    feature = example.features.feature
    image = np.random.default_rng(1).integers(0, 256, (*_SIZE, 3), dtype=np.uint8)
    feature["image/encoded"].bytes_list.value.append(tf.io.encode_png(image).numpy())
    feature["image/source_id"].bytes_list.value.append(b"1")
    for place, mask in enumerate(masks):
        rows, columns = np.nonzero(mask)
        edges = {"ymin": rows.min(), "ymax": rows.max() + 1, "xmin": columns.min(), "xmax": columns.max() + 1}
        for name, edge in edges.items():
            feature[f"image/object/bbox/{name}"].float_list.value.append(edge / _SIZE[name[0] == "x"])
        feature["image/object/class/label"].int64_list.value.append(1 + place % 3)
        feature["image/object/is_crowd"].int64_list.value.append(int(place % 5 == 4))
        feature["image/object/mask"].bytes_list.value.append(cv2.imencode(".png", mask)[1].tobytes())
    if planes:
        feature["image/object/mask_planes"].bytes_list.value.append(planes)
    serialized: bytes = example.SerializeToString()
    return serialized


@pytest.mark.parametrize("count", [1, 8, 9, 20])
def test_planes_hold_every_mask_in_its_bit(count: int) -> None:
    masks = _masks(count)
    planes = _stack(masks)
    decoded = decoder.decode_planes(tf.constant(planes), tf.constant(count), tf.constant(_SIZE)).numpy()
    np.testing.assert_array_equal(
        cv2.imdecode(np.frombuffer(planes, np.uint8), -1).reshape(decoded.shape), decoded
    )
    for index, mask in enumerate(masks):
        np.testing.assert_array_equal(decoded[index // 8] >> index % 8 & 1, mask)


def test_no_masks_or_too_many_pixels_have_no_planes() -> None:
    assert mask_planes.Planes(*_SIZE).encode() == b""
    assert _stack([np.ones((10_000, 5_001), np.uint8)] * 17) == b""
    assert _stack([np.ones((4_000, 2), np.uint8)] * 2001) == b""


def test_a_million_rows_of_planes_are_decoded() -> None:
    mask = np.ones((4_000, 2), np.uint8)
    planes = _stack([mask] * 2000)
    decoded = decoder.decode_planes(tf.constant(planes), tf.constant(2000), tf.constant(mask.shape)).numpy()
    assert decoded.shape == (250, 4_000, 2)
    assert (decoded == 255).all()


@pytest.mark.parametrize(("count", "size"), [(9, _SIZE), (1, _SIZE[::-1]), (1, (40, 55))], ids=str)
def test_planes_of_another_size_are_an_error(count: int, size: tuple[int, int]) -> None:
    planes = _stack(_masks(3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="planes of masks and image differ in size"):
        decoder.decode_planes(tf.constant(planes), tf.constant(count), tf.constant(size))


@pytest.mark.parametrize(
    "fields", [{"preset": "paper", "flip": 0.5}, {"preset": "default", "transpose": 0.5}], ids=str
)
def test_examples_with_planes_are_those_without(fields: dict[str, float]) -> None:
    masks = _masks(11)
    planes = _stack(masks)
    model = configs.YolactModel(num_classes=4, input_size=[64, 96])
    config = configs.Parser(max_num_instances=9, augment=configs.Augment(**fields))
    parse = tf.function(yolact_input.Parser(config, model, True, seed=4).parse, autograph=False)
    records = [tf.constant(_record(masks, each)) for each in (planes, b"")]
    for position in range(25):
        fast, slow = (parse(record, tf.constant(position, tf.int64)) for record in records)
        for one, other in zip(tf.nest.flatten(fast), tf.nest.flatten(slow), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=str(position))
