"""Labels whose masks say which share of each cell is covered."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import yolact_input
from official_yolact.records import mask_planes

_BOXES = [(0, 0, 48, 64), (3, 5, 22, 41), (10, 30, 47, 63), (20, 2, 44, 25)]


def _make_record(record: Callable[..., bytes], with_planes: bool) -> bytes:
    serialized = record(1, _BOXES, [1, 2, 3, 1], [1, 0, 0, 0])
    if not with_planes:
        return serialized
    example = tf.train.Example.FromString(serialized)
    planes = mask_planes.Planes(48, 64)
    for top, left, bottom, right in _BOXES:
        mask = np.zeros((48, 64), np.uint8)
        mask[top:bottom, left:right] = 1
        planes.add(mask)
    example.features.feature["image/object/mask_planes"].bytes_list.value.append(planes.encode())
    whole: bytes = example.SerializeToString()
    return whole


def _parser(model: configs.YolactModel, target: str, **augment: Any) -> Any:
    config = configs.Parser(max_num_instances=5, mask_target=target)
    config.augment = configs.Augment(preset="none", **augment)
    parser = yolact_input.Parser(config, model, True, seed=3)
    signature = [tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)]
    return tf.function(parser.parse, input_signature=signature, autograph=False)


@pytest.mark.parametrize("with_planes", [False, True], ids=["masks alone", "planes"])
def test_shares_are_those_of_the_boxes_whatever_augmentation_does(
    record: Callable[..., bytes], model: configs.YolactModel, with_planes: bool
) -> None:
    parse = _parser(
        model, "coverage", expand=0.5, sample_crop=True, mirror=0.5, flip=0.5, transpose=0.5, min_box_side=0.0
    )
    serialized = _make_record(record, with_planes)
    for position in range(12):
        _, labels = parse(serialized, position)
        assert (labels["masks"].dtype, labels["masks"].shape) == (tf.float16, (5, 16, 24))
        count = int(labels["num_instances"])
        assert not labels["masks"][count:].numpy().any()
        # The masks fill their boxes, and the boxes are cut by the window and turned with it.
        for box, shares in zip(labels["boxes"].numpy(), labels["masks"].numpy(), strict=True):
            edges = [np.clip(box[axis::2] * size, 0, size) for axis, size in ((0, 16), (1, 24))]
            down, across = (
                np.clip(np.minimum(end, np.arange(size) + 1) - np.maximum(start, np.arange(size)), 0, 1)
                for (start, end), size in zip(edges, (16, 24), strict=True)
            )
            np.testing.assert_allclose(shares, np.outer(down, across), atol=5e-4)


def test_only_the_masks_differ_from_those_of_binary_targets(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    settings = {"expand": 0.5, "sample_crop": True, "mirror": 0.5, "transpose": 0.5}
    serialized = _make_record(record, True)
    parsers = [_parser(model, target, **settings) for target in ("binary", "coverage")]
    for position in range(4):
        (image, binary), (same, shares) = (parse(serialized, position) for parse in parsers)
        np.testing.assert_array_equal(image, same)
        for name in binary:
            if name != "masks":
                np.testing.assert_array_equal(binary[name], shares[name], err_msg=name)
        np.testing.assert_allclose(tf.cast(binary["masks"], tf.float32), shares["masks"], atol=0.76)


def test_a_blank_example_has_the_form_of_one_with_shares(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    config = configs.Parser(max_num_instances=5, mask_target="coverage")
    parser = yolact_input.Parser(config, model, True)
    parsed = tf.data.Dataset.from_tensors((record(), 0)).map(parser.parse).element_spec
    assert parsed == tf.data.Dataset.from_tensors(0).map(parser.blank).element_spec
