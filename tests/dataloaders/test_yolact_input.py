"""Records to examples: labels, masks, padding, augmentation."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import yolact_input


def _parser(model: configs.YolactModel, preset: str = "none", training: bool = True, **fields: Any) -> Any:
    config = configs.Parser(max_num_instances=5, **fields)
    config.augment.preset = preset
    return yolact_input.Parser(config, model, training, seed=3)


def _numpy(example: Any) -> Any:
    return tf.nest.map_structure(np.asarray, example)


def test_labels_without_augmentation_are_those_of_the_record(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    # Edges on multiples of 4 of 48: at 64/48 the mask's edges fall between cells of 4 pixels.
    boxes = [(12, 16, 36, 48), (0, 0, 24, 16)]
    image, labels = _numpy(_parser(model, training=False).parse(record(9, boxes, [3, 1]), 5))
    assert image.shape == (64, 96, 3)
    np.testing.assert_allclose(labels["boxes"][:2], [[0.25, 0.25, 0.75, 0.75], [0, 0, 0.5, 0.25]], atol=1e-6)
    assert not labels["boxes"][2:].any()
    np.testing.assert_array_equal(labels["classes"], [3, 1, 0, 0, 0])
    assert labels["num_instances"] == 2
    expected = np.zeros((5, 16, 24), bool)
    expected[0, 4:12, 6:18] = True
    expected[1, :8, :6] = True
    np.testing.assert_array_equal(labels["masks"], expected)
    semantic = np.zeros((8, 12, 3), bool)
    semantic[2:6, 3:9, 2] = True
    semantic[:4, :3, 0] = True
    np.testing.assert_array_equal(labels["semantic_masks"], semantic)
    np.testing.assert_allclose(labels["image_info"], [[48, 64], [64, 96], [64 / 48, 1.5], [0, 0]])
    assert (labels["image_id"], labels["weight"]) == (9, 1.0)
    np.testing.assert_array_equal(labels["seed"], [3, 5])


def test_masks_of_255_are_masks_too(record: Callable[..., bytes], model: configs.YolactModel) -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    bits = np.zeros((48, 64), bool)
    bits[8:24, 10:40] = True
    Image.fromarray(bits).save(buffer, "PNG")
    parser = _parser(model)
    one_bit = _numpy(parser.parse(record(image__object__mask=[buffer.getvalue()]), 0))[1]
    np.testing.assert_array_equal(one_bit["masks"], _numpy(parser.parse(record(), 0))[1]["masks"])


def test_crowds_come_last_and_stay_out_of_the_semantic_masks(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    boxes = [(0, 0, 48, 64), (12, 16, 36, 48)]
    _, labels = _numpy(_parser(model).parse(record(1, boxes, [1, 2], [1, 0]), 0))
    np.testing.assert_array_equal(labels["classes"][:2], [2, 1])
    np.testing.assert_array_equal(labels["is_crowd"], [False, True, False, False, False])
    assert labels["masks"][1].all()
    assert not labels["semantic_masks"][..., 0].any()
    assert labels["semantic_masks"][..., 1].any()


def test_of_too_many_instances_the_largest_stay_in_their_order(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    sides = [8, 20, 12, 30, 10, 25, 40]
    boxes = [(0, 0, side, side) for side in sides]
    _, labels = _numpy(_parser(model).parse(record(1, boxes, crowds=[0, 0, 0, 0, 0, 0, 1]), 0))
    assert labels["num_instances"] == 5
    np.testing.assert_allclose(labels["boxes"][:, 2] * 48, [20, 12, 30, 10, 25], atol=1e-4)


def test_boxes_past_the_border_are_clipped_and_those_outside_go(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    boxes = [(-12, -16, 24, 32), (24, 32, 60, 80), (50, 10, 70, 20), (5, 5, 5, 9)]
    _, labels = _numpy(_parser(model).parse(record(1, boxes), 0))
    assert labels["num_instances"] == 2
    np.testing.assert_allclose(labels["boxes"][:2], [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], atol=1e-6)


def test_only_the_paper_gives_images_without_objects_no_weight(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    def weight(*arguments: Any, **fields: Any) -> float:
        return float(_parser(model, *arguments, **fields).parse(record(1, []), 0)[1]["weight"])

    assert weight("paper") == 0.0
    assert weight("default") == 1.0
    assert weight("paper", empty_images="train") == 1.0
    assert weight("default", empty_images="ignore") == 0.0
    assert weight("paper", training=False) == 1.0
    with pytest.raises(ValueError, match=r"parser\.empty_images='drop': one of ignore, train"):
        weight(empty_images="drop")


def test_an_image_of_crowds_alone_keeps_its_weight(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    _, labels = _parser(model, "paper").parse(record(1, crowds=[1]), 0)
    assert float(labels["weight"]) == 1.0


def test_a_box_that_augmentation_makes_too_small_is_dropped(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    # 2 of 48 rows are 2.7 of 64 input rows.
    serialized = record(1, [(10, 10, 12, 40)])
    paper = configs.Augment(preset="paper", expand=0.0, sample_crop=False)
    default = configs.Augment(preset="default", expand=0.0, sample_crop=False)
    counts = [
        int(
            yolact_input.Parser(configs.Parser(augment=a), model, True).parse(serialized, 0)[1][
                "num_instances"
            ]
        )
        for a in (paper, default)
    ]
    assert counts == [1, 0]


@pytest.mark.parametrize("preset", ["paper", "default"])
def test_masks_and_pixels_move_with_their_boxes(
    record: Callable[..., bytes], model: configs.YolactModel, preset: str
) -> None:
    # The object is white on black: where the mask is, the picture must be bright.
    white = np.zeros((48, 64, 3), np.uint8)
    white[12:36, 16:48] = 255
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(white).save(buffer, "PNG")
    serialized = record(1, [(12, 16, 36, 48)], image__encoded=[buffer.getvalue()])
    config = configs.Parser(max_num_instances=5)
    config.augment = configs.Augment(preset=preset, flip=0.5)
    parser = yolact_input.Parser(config, model, True, seed=1)
    parse = tf.function(parser.parse, autograph=False)
    seen = set()
    for position in range(60):
        image, labels = _numpy(parse(tf.constant(serialized), tf.constant(position, tf.int64)))
        assert labels["num_instances"] == 1
        mask, box = labels["masks"][0], labels["boxes"][0] * [16, 24, 16, 24]
        rows, columns = np.nonzero(mask)
        edges = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(edges, box, atol=0.76)
        cells = image.mean(axis=-1).reshape(16, 4, 24, 4).mean(axis=(1, 3))
        inner = np.zeros_like(mask)
        inner[1:-1, 1:-1] = (
            mask[1:-1, 1:-1] & mask[2:, 1:-1] & mask[:-2, 1:-1] & mask[1:-1, 2:] & mask[1:-1, :-2]
        )
        if inner.any():
            assert cells[inner].min() > 0.3
        seen.add(tuple(np.round(box, 3)))
    assert len(seen) > 40


def test_a_mirrored_example_is_the_plain_one_mirrored(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    serialized = record(1, [(8, 10, 24, 40)])
    plain, labels = _numpy(_parser(model).parse(serialized, 0))
    config = configs.Parser(max_num_instances=5, augment=configs.Augment(preset="none", mirror=1.0, flip=1.0))
    turned, turned_labels = _numpy(yolact_input.Parser(config, model, True, 3).parse(serialized, 0))
    np.testing.assert_array_equal(turned, plain[::-1, ::-1])
    np.testing.assert_array_equal(turned_labels["masks"], labels["masks"][:, ::-1, ::-1])
    np.testing.assert_array_equal(turned_labels["semantic_masks"], labels["semantic_masks"][::-1, ::-1])
    top, left, bottom, right = labels["boxes"][0]
    np.testing.assert_allclose(
        turned_labels["boxes"][0], [1 - bottom, 1 - right, 1 - top, 1 - left], atol=1e-6
    )


def test_an_example_is_a_function_of_seed_and_position(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    parser = _parser(model, "paper")
    first, again, other = (_numpy(parser.parse(record(), position)) for position in (4, 4, 5))
    for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_a_blank_example_has_the_form_of_a_parsed_one(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    parser = _parser(model, "paper")
    parsed = tf.data.Dataset.from_tensors((record(), 0)).map(parser.parse).element_spec
    blank = tf.data.Dataset.from_tensors(0).map(parser.blank).element_spec
    assert parsed == blank
    for spec in tf.nest.flatten(parsed):
        assert spec.shape.is_fully_defined()


@pytest.mark.shared
def test_augmented_photos_have_the_properties_of_the_original_s(shared: Any) -> None:
    fixture = np.load(shared / "fixtures" / "transforms.npz")
    model = configs.YolactModel()
    photo = fixture["img_bgr"][..., ::-1]
    masks = np.unpackbits(fixture["masks_packed"], axis=-1)[:, :, : photo.shape[1]]
    boxes = fixture["boxes_label"]
    sides = {"xmin": boxes[:, 0], "ymin": boxes[:, 1], "xmax": boxes[:, 2], "ymax": boxes[:, 3]}
    from official_yolact.ops import grids

    assert grids.prototype_size((550, 550), 3) == (138, 138)
    features = {
        "image/encoded": [tf.io.encode_png(photo).numpy()],
        "image/source_id": [b"1"],
        "image/object/mask": [tf.io.encode_png(mask[..., np.newaxis]).numpy() for mask in masks],
    }
    example = tf.train.Example()
    for key, value in features.items():
        example.features.feature[key].bytes_list.value.extend(value)
    for key, column in sides.items():
        example.features.feature[f"image/object/bbox/{key}"].float_list.value.extend(column)
    crowds = (boxes[:, 4] < 0).astype(int)
    example.features.feature["image/object/is_crowd"].int64_list.value.extend(crowds)
    classes = np.where(crowds, 1, boxes[:, 4] + 1).astype(int)
    example.features.feature["image/object/class/label"].int64_list.value.extend(classes)
    config = configs.Parser(augment=configs.Augment(preset="paper"))
    parse = tf.function(yolact_input.Parser(config, model, True, 5).parse, autograph=False)
    counts = []
    for position in range(12):
        image, labels = _numpy(
            parse(tf.constant(example.SerializeToString()), tf.constant(position, tf.int64))
        )
        count = int(labels["num_instances"])
        counts.append(count)
        assert np.isfinite(image).all()
        assert 1 <= count <= 7
        assert not labels["is_crowd"][: count - 1].any()
        for mask, box in itertools.islice(zip(labels["masks"], labels["boxes"], strict=True), count):
            if mask.any():
                rows, columns = np.nonzero(mask)
                edges = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
                outside = (edges - box * 138) * [1, 1, -1, -1]
                assert outside.min() > -4.0
    recorded = {fixture[f"s{i}_boxes"].shape[0] for i in range(4)}
    assert min(counts) <= max(recorded)
    assert max(counts) >= min(recorded)
