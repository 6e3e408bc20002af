"""What no photo of a good data set has: the parser must neither fail nor take labels apart."""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import yolact_input


@functools.cache
def _make_parse(num_classes: int, count: int, augment: tuple[tuple[str, Any], ...]) -> Any:
    """Trace a parser once for all records."""
    model = configs.YolactModel(num_classes=num_classes, input_size=[64, 96])
    config = configs.Parser(max_num_instances=count, augment=configs.Augment(**dict(augment)))
    parser = yolact_input.Parser(config, model, True, seed=2)
    signature = [tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)]
    return tf.function(parser.parse, signature, autograph=False)


def _parse(
    model: configs.YolactModel, serialized: bytes, positions: int, count: int = 20, **augment: Any
) -> list[Any]:
    parse = _make_parse(model.num_classes, count, tuple(augment.items()))
    return [
        tf.nest.map_structure(np.asarray, parse(tf.constant(serialized), tf.constant(at, tf.int64)))
        for at in range(positions)
    ]


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _check_labels(image: np.ndarray, labels: Any, classes: set[int]) -> None:
    """Hold an example to what is true of every one."""
    count = int(labels["num_instances"])
    boxes = labels["boxes"]
    assert np.isfinite(image).all()
    assert np.isfinite(boxes).all()
    assert boxes.min() >= 0.0
    assert boxes.max() <= 1.0
    assert (boxes[:count, 2:] > boxes[:count, :2]).all()
    assert set(labels["classes"][:count]) <= classes
    for name in ("boxes", "classes", "is_crowd", "masks"):
        assert not labels[name][count:].any()
    cells = np.array(labels["masks"].shape[1:])
    for box, mask in zip(boxes[:count], labels["masks"][:count], strict=True):
        rows, columns = np.nonzero(mask)
        if rows.size:
            edges = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
            # A cell at the border may be half covered.
            outside = (edges - box * np.tile(cells, 2)) * [1, 1, -1, -1]
            assert outside.min() >= -1.01


_AUGMENTS = [
    {"preset": "paper", "flip": 0.5},
    {"preset": "default", "transpose": 0.5},
    {"preset": "default", "min_scale": 0.1, "max_scale": 2.5, "transpose": 0.5, "flip": 0.5},
]


@pytest.mark.parametrize("augment", _AUGMENTS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 700), (900, 3)], ids=str)
def test_extreme_aspect_ratios_give_whole_examples(
    record: Callable[..., bytes], model: configs.YolactModel, size: tuple[int, int], augment: dict[str, Any]
) -> None:
    serialized = record(1, [(0, 0, *size)], size=size)
    for image, labels in _parse(model, serialized, 12, **augment):
        _check_labels(image, labels, {1})
        assert labels["weight"] == 1.0 or not labels["num_instances"]


@pytest.mark.parametrize("augment", _AUGMENTS, ids=str)
def test_instances_of_one_pixel_stay_where_they_are(
    record: Callable[..., bytes], model: configs.YolactModel, augment: dict[str, Any]
) -> None:
    boxes = [(y, x, y + 1, x + 1) for y, x in ((0, 0), (47, 63), (20, 30), (0, 63), (33, 7))]
    for image, labels in _parse(model, record(1, boxes), 20, **augment):
        _check_labels(image, labels, {1})


@pytest.mark.parametrize("augment", _AUGMENTS, ids=str)
def test_of_500_instances_as_many_as_fit_stay_together(
    record: Callable[..., bytes], model: configs.YolactModel, augment: dict[str, Any]
) -> None:
    model.num_classes = 501
    rng = np.random.default_rng(0)
    corners = rng.integers(0, [44, 60], (500, 2))
    sides = rng.integers(1, 5, (500, 2))
    # The class tells which box a row came from.
    classes = list(range(1, 501))
    serialized = record(1, np.hstack([corners, corners + sides]), classes)
    for image, labels in _parse(model, serialized, 4, count=100, **augment):
        _check_labels(image, labels, set(classes))
        assert labels["num_instances"] <= 100
        present = labels["classes"][: labels["num_instances"]]
        assert len(set(present)) == len(present)


def test_without_augmentation_exactly_the_100_largest_of_500_stay(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    model.num_classes = 501
    sides = np.random.default_rng(1).permutation(500) % 20 + 1
    boxes = [(0, 0, side, side + at / 500) for at, side in enumerate(sides)]
    _, labels = _parse(model, record(1, boxes, list(range(1, 501))), 1, count=100, preset="none")[0]
    areas = np.array([(b[2] - b[0]) * (b[3] - b[1]) for b in boxes])
    assert set(labels["classes"]) == set(np.argsort(-areas)[:100] + 1)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA"])
def test_greyscale_and_palettes_give_three_channels(
    record: Callable[..., bytes], model: configs.YolactModel, mode: str
) -> None:
    grey = np.random.default_rng(3).integers(0, 256, (48, 64), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).convert(mode).save(buffer, "PNG")
    serialized = record(1, image__encoded=[buffer.getvalue()])
    for image, labels in _parse(model, serialized, 4, preset="paper"):
        assert image.shape == (64, 96, 3)
        _check_labels(image, labels, {1})


@pytest.mark.parametrize("augment", _AUGMENTS, ids=str)
def test_an_image_without_instances_gives_an_example_without_labels(
    record: Callable[..., bytes], model: configs.YolactModel, augment: dict[str, Any]
) -> None:
    for image, labels in _parse(model, record(1, []), 8, **augment):
        assert np.isfinite(image).all()
        assert labels["num_instances"] == 0
        assert not any(labels[name].any() for name in ("boxes", "masks", "semantic_masks", "classes"))


def test_a_mask_that_holds_nothing_gives_no_cells(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    serialized = record(1, [(8, 8, 40, 40)], image__object__mask=[_png(np.zeros((48, 64), np.uint8))])
    for _, labels in _parse(model, serialized, 6, preset="paper"):
        assert labels["num_instances"] == 1
        assert not labels["masks"].any()
        assert not labels["semantic_masks"].any()


@pytest.mark.parametrize("augment", _AUGMENTS, ids=str)
def test_masks_boxes_and_classes_of_neighbours_never_change_places(
    record: Callable[..., bytes], model: configs.YolactModel, augment: dict[str, Any]
) -> None:
    # Each object has a brightness of its own, which no change of colours gives to another.
    picture = np.zeros((48, 64, 3), np.uint8)
    boxes = [(4, 4, 20, 24), (4, 36, 20, 60), (28, 20, 44, 44)]
    for level, (top, left, bottom, right) in zip((80, 160, 240), boxes, strict=True):
        picture[top:bottom, left:right] = level
    serialized = record(1, boxes, [1, 2, 3], image__encoded=[_png(picture)])
    pairs = 0
    for image, labels in _parse(model, serialized, 40, **augment):
        _check_labels(image, labels, {1, 2, 3})
        cells = image.mean(axis=-1).reshape(16, 4, 24, 4).mean(axis=(1, 3))
        seen = []
        for class_id, mask in zip(labels["classes"], labels["masks"], strict=True):
            inner = mask[1:-1, 1:-1] & mask[2:, 1:-1] & mask[:-2, 1:-1] & mask[1:-1, 2:] & mask[1:-1, :-2]
            if class_id and inner.any():
                seen.append((class_id, cells[1:-1, 1:-1][inner].mean()))
        seen.sort()
        assert all(dark[1] < bright[1] + 1e-3 for dark, bright in itertools.pairwise(seen))
        pairs += max(0, len(seen) - 1)
    assert pairs > 10


def test_records_with_cut_masks_give_the_examples_of_records_without(
    record: Callable[..., bytes], model: configs.YolactModel
) -> None:
    # As earlier versions wrote them.
    size, boxes = (240, 320), [(8, 10, 120, 200), (0, 0, 240, 320), (239, 319, 240, 320)]
    cuts = [_png(np.full((b[2] - b[0], b[3] - b[1]), 255, np.uint8)) for b in boxes]
    stored = {
        "image/object/mask_cut": cuts,
        "image/object/mask_cut/top": [b[0] for b in boxes],
        "image/object/mask_cut/left": [b[1] for b in boxes],
    }
    for augment in _AUGMENTS:
        plain = _parse(model, record(1, boxes, size=size), 10, **augment)
        cut = _parse(model, record(1, boxes, size=size, **stored), 10, **augment)
        tf.nest.map_structure(np.testing.assert_array_equal, plain, cut)
