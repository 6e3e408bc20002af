"""Photos with pasted objects and mosaics. Each object has a colour of its own, which its mask must cover."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from dataloaders.conftest import encode

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import augment_settings
from official_yolact.dataloaders import decoder
from official_yolact.dataloaders import input_reader
from official_yolact.dataloaders import mixed_records
from official_yolact.records import mask_planes

SIZES = [(60, 80), (60, 80), (96, 50), (30, 40)]
BOXES = [[(5, 6, 25, 30), (30, 40, 55, 70), (2, 50, 20, 62)], [(8, 8, 40, 36), (20, 44, 50, 74)], [], []]
BOXES[2] = [(10 * i, 4 + 5 * i, 10 * i + 9, 20 + 5 * i) for i in range(9)]
GREY = 90


def colour_of(photo: int, number: int) -> tuple[int, int, int]:
    return 255 - 20 * number, 60 * photo, 20 * number


def draw(record: Callable[..., bytes], photo: int, has_planes: bool = False, **fields: Any) -> bytes:
    """A grey photo whose objects are filled with their colours."""
    image = np.full((*SIZES[photo], 3), GREY, np.uint8)
    planes = mask_planes.Planes(*SIZES[photo])
    for number, (top, left, bottom, right) in enumerate(BOXES[photo]):
        image[top:bottom, left:right] = colour_of(photo, number)
        mask = np.zeros(SIZES[photo], np.uint8)
        mask[top:bottom, left:right] = 1
        planes.add(mask)
    more = {"image__object__mask_planes": [planes.encode()]} if has_planes and BOXES[photo] else {}
    classes = [1 + number % 3 for number in range(len(BOXES[photo]))]
    return record(
        photo, BOXES[photo], classes, size=SIZES[photo], image__encoded=[encode(image)], **more, **fields
    )


@functools.cache
def make_mixer(max_instances: int, **settings: float) -> mixed_records.Mixer:
    """Make a mixer, whose functions are traced once for all tests."""
    preset = augment_settings.resolve_augment(configs.Augment(**settings))
    return mixed_records.Mixer(preset, (64, 96), 4, max_instances)


def mix(records: list[bytes], seed: int, max_instances: int = 60, **settings: float) -> dict[str, np.ndarray]:
    """Mix the first record with the others; without planes if it was left as it is."""
    mixer = make_mixer(max_instances, **settings)
    first = decoder.decode_record(tf.constant(records[0]), 4)
    mixed = mixer.mix(first, [tf.constant(each) for each in records], tf.constant([7, seed]))
    return {key: value.numpy() for key, value in mixed.items()}


def check_laws(mixed: dict[str, np.ndarray]) -> tuple[int, int]:
    """Masks cover their colours and nothing else, boxes are tight; gives labelled and hidden objects."""
    pixels, bits = mixed["pixels"].astype(int), mixed["bits"]
    height, width = bits.shape[1:]
    masks = np.moveaxis(np.unpackbits(bits[..., np.newaxis], axis=-1, bitorder="little"), -1, 1)
    masks = masks.reshape(-1, height, width)  # [8 P, H, W]
    assert pixels.shape == (height, width, 3)
    assert len(masks) == len(mixed["boxes"]) == len(mixed["classes"])
    labelled = (mixed["boxes"][:, 2:] > mixed["boxes"][:, :2]).all(axis=1)
    assert masks[labelled].sum(axis=0).max(initial=0) <= 1
    for mask, box in zip(masks[labelled], mixed["boxes"][labelled], strict=True):
        rows, columns = np.nonzero(mask)
        tight = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(box * [height, width, height, width], tight, atol=1e-3)
        # Within its border a mask has one colour, and that is no grey.
        inner = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
        if inner.any():
            assert np.ptp(pixels[inner], axis=0).max() == 0
            assert (pixels[inner][0] != GREY).any()
    # What looks like an object, a pixel away from anything else, has a label or is a small rest.
    is_object = (np.abs(pixels - GREY).max(axis=-1) > 2).astype(np.uint8)
    hidden = 0
    for colour in np.unique(pixels[is_object.astype(bool)], axis=0):
        seen = (pixels == colour).all(axis=-1).astype(np.uint8)
        inner = cv2.erode(seen, np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
        if inner.any() and not (masks[labelled][:, inner].any(axis=0)).all():
            hidden += 1
            assert inner.sum() <= 0.25 * 30 * 32
    return int(labelled.sum()), hidden


@pytest.mark.parametrize("has_planes", [True, False])
@pytest.mark.parametrize("kind", ["copy_paste", "mosaic"])
def test_masks_boxes_and_pixels_agree_and_only_what_is_hidden_loses_its_label(
    record: Callable[..., bytes], kind: str, has_planes: bool
) -> None:
    records = [draw(record, photo, has_planes) for photo in range(4)]
    counts = []
    for seed in range(6):
        mixed = mix(records, seed, **{kind: 1.0})
        counts.append(check_laws(mixed)[0])
        assert tuple(mixed["size"]) == SIZES[0]
    assert len(set(counts)) > 1
    assert max(counts) > 3 or kind == "mosaic"


def test_pasted_objects_hide_those_below_and_keep_their_pixels() -> None:
    rng = np.random.default_rng(0)
    below, above = rng.integers(0, 256, (2, 20, 30, 3), np.uint8)

    def photo(pixels: np.ndarray, boxes: list[tuple[int, ...]]) -> Any:
        planes = np.zeros((1, 20, 30), np.uint8)
        for bit, (top, left, bottom, right) in enumerate(boxes):
            planes[0, top:bottom, left:right] |= 1 << bit
        rows = np.zeros((8, 4), np.float32)
        rows[: len(boxes)] = np.array(boxes) / [20, 30, 20, 30]
        lists = tf.constant(rows), tf.range(8), tf.zeros([8], tf.bool)
        return mixed_records._Photo(tf.constant(pixels), tf.constant(planes), *lists)

    # Of the lower ones the first is untouched, the second loses its right half, the third all but 10 %.
    target = photo(below, [(0, 0, 5, 5), (10, 0, 20, 10), (10, 12, 20, 22)])
    source = photo(above, [(8, 5, 20, 10), (8, 13, 20, 24), (0, 0, 6, 6)])
    chosen = tf.constant([True, True, *[False] * 6])
    mixed = mixed_records.paste_objects(target, source, chosen)
    over = np.zeros((20, 30), bool)
    over[8:20, 5:10] = over[8:20, 13:24] = True
    np.testing.assert_array_equal(mixed.pixels, np.where(over[..., np.newaxis], above, below))
    boxes = np.round(mixed.boxes.numpy() * [20, 30, 20, 30], 3).tolist()
    assert boxes[:3] == [[0, 0, 5, 5], [10, 0, 20, 5], [0, 0, 0, 0]]
    assert boxes[8:11] == [[8, 5, 20, 10], [8, 13, 20, 24], [0, 0, 0, 0]]
    assert not (mixed.planes.numpy()[0] & over * 255).any()


def test_no_more_is_pasted_than_there_are_labels_for(record: Callable[..., bytes]) -> None:
    records = [draw(record, photo) for photo in (0, 2, 1, 3)]
    for seed in range(4):
        assert check_laws(mix(records, seed, 4, copy_paste=1.0))[0] <= 4
        assert mix(records, seed, 3, copy_paste=1.0)["pixels"].shape == (60, 80, 3)
        assert mix(records, seed, 1, mosaic=1.0)["pixels"].size == 0


def test_photos_without_objects_are_mixed_too(record: Callable[..., bytes]) -> None:
    empty, full = draw(record, 3), draw(record, 0)
    for records in ([empty] * 4, [empty, full, full, full], [full, empty, empty, empty]):
        for kind in ("copy_paste", "mosaic"):
            check_laws(mix(records, 1, **{kind: 1.0}))
    pasted = mix([empty, full, full, full], 1, copy_paste=1.0)
    assert (pasted["pixels"] != GREY).any()


def test_large_photos_are_mixed_at_twice_the_sides_of_the_input(record: Callable[..., bytes]) -> None:
    wide = record(1, [(10, 10, 200, 300)], size=(300, 700))
    mixed = mix([wide] * 4, 1, copy_paste=1.0)
    height, width = mixed["size"]
    assert height * width == pytest.approx(4 * 64 * 96, rel=0.01)
    assert width / height == pytest.approx(7 / 3, rel=0.01)


def test_photos_of_one_pixel_and_long_ones_are_mixed(record: Callable[..., bytes]) -> None:
    sizes = [(1, 1), (1, 300), (300, 1), (2, 700)]
    records = [record(number, [(0, 0, *size)], size=size) for number, size in enumerate(sizes)]
    for first in range(4):
        for kind in ("copy_paste", "mosaic"):
            mixed = mix(records[first:] + records[:first], first, **{kind: 1.0})
            assert mixed["pixels"].shape[:2] == tuple(np.maximum(sizes[first], 2))
            assert ((mixed["boxes"] >= 0) & (mixed["boxes"] <= 1)).all()


def test_a_record_that_is_not_drawn_stays_as_it_is(record: Callable[..., bytes]) -> None:
    records = [draw(record, photo) for photo in range(4)]
    mixed, plain = mix(records, 1, mosaic=1e-9), decoder.decode_record(tf.constant(records[0]), 4)
    assert mixed["pixels"].size == mixed["bits"].size == 0
    for key, value in plain.items():
        np.testing.assert_array_equal(mixed[key], value)


def test_crowds_are_not_pasted(record: Callable[..., bytes]) -> None:
    crowd = draw(record, 1, crowds=[1, 1])
    mixed = mix([draw(record, 3), crowd, crowd, crowd], 2, copy_paste=1.0)
    assert (mixed["pixels"] == GREY).all()


@pytest.fixture
def path(write_shards: Callable[..., str], record: Callable[..., bytes]) -> str:
    rows = [record(number, [(8, 10, 24, 40), (30, 5, 44, 50)]) for number in range(7)]
    return write_shards([*rows[:3], record(9, image__encoded=[b"\x89PNG no image"])], rows[3:])


def test_a_restart_changes_nothing_and_a_damaged_neighbour_costs_no_example(
    path: str, model: configs.YolactModel
) -> None:
    config = configs.DataConfig(input_path=path, is_training=True, global_batch_size=1, shuffle_buffer_size=3)
    config.parser.override({"max_num_instances": 8, "augment": {"copy_paste": 1.0, "mosaic": 0.3}})
    whole, rest = (
        list(input_reader.build_dataset(config, model, 5, start_position=start).take(12 - start))
        for start in (0, 7)
    )
    # Of the eight records of an epoch one cannot be used; each of the others has an example.
    assert sum(float(labels["weight"][0]) for _, labels in whole[:8]) == 7
    # Photos have two objects.
    assert max(int(labels["num_instances"][0]) for _, labels in whole) > 2
    for expected, got in zip(whole[7:], rest, strict=True):
        for first, second in zip(tf.nest.flatten(expected), tf.nest.flatten(got), strict=True):
            np.testing.assert_array_equal(first, second)
