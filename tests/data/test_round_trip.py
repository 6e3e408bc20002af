"""Photos with their annotations, through the converter and back, against pycocotools.

All 176 photos of `coco-open` and `nuts` with all their annotations.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from pycocotools import coco as coco_lib

from official.vision.dataloaders import tf_example_decoder
from official_yolact.configs import yolact as configs
from official_yolact.data.conversion import convert
from official_yolact.dataloaders import decoder
from official_yolact.dataloaders import yolact_input

_SETS = {
    "coco-train": ("coco-open/instances_train2017.json", "coco-open/train2017"),
    "coco-val": ("coco-open/instances_val2017.json", "coco-open/val2017"),
    "nuts-train": ("nuts/train.json", "nuts/images"),
    "nuts-val": ("nuts/val.json", "nuts/images"),
}


@dataclasses.dataclass
class _Set:
    """A converted set.

    Attributes:
      truth: the annotations as pycocotools reads them.
      records: serialized, by image id.
      written: ids of the annotations, by image id in the order of the record.
    """

    truth: Any
    records: dict[int, bytes]
    written: dict[int, list[int]]


@pytest.fixture(scope="module", params=list(_SETS))
def converted(request: pytest.FixtureRequest, shared: pathlib.Path, tmp_path_factory: Any) -> _Set:
    annotations, images = (str(shared / "data" / part) for part in _SETS[request.param])
    output = str(tmp_path_factory.mktemp(request.param))
    convert.convert_coco(annotations, images, output, "all", num_shards=1)
    with open(os.path.join(output, "instances-all.json"), encoding="utf-8") as file:
        listed = json.load(file)["annotations"]
    written = collections.defaultdict(list)
    for annotation in listed:
        written[annotation["image_id"]].append(annotation["id"])
    records = {}
    for record in tf.data.TFRecordDataset(os.path.join(output, "all-00000-of-00001.tfrecord")):
        example = tf.train.Example.FromString(record.numpy())
        records[int(example.features.feature["image/source_id"].bytes_list.value[0])] = record.numpy()
    return _Set(coco_lib.COCO(annotations), records, written)


def _true_masks(data: _Set, image_id: int) -> np.ndarray:
    height, width = (data.truth.imgs[image_id][side] for side in ("height", "width"))
    masks = [data.truth.annToMask(data.truth.anns[id_]) for id_ in data.written[image_id]]
    return np.array(masks, np.uint8).reshape(-1, height, width)


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


@pytest.mark.shared
def test_every_annotation_with_an_area_is_written(converted: _Set) -> None:
    assert set(converted.records) == set(converted.truth.imgs)
    drawn = {id_ for id_, a in converted.truth.anns.items() if converted.truth.annToMask(a).any()}
    assert {id_ for ids in converted.written.values() for id_ in ids} == drawn


@pytest.mark.shared
def test_stored_masks_are_those_of_pycocotools(converted: _Set) -> None:
    decode = tf.function(lambda record: decoder.decode_record(record, 81), autograph=False)
    decode_mask = tf.function(decoder.decode_mask, autograph=False)
    for image_id, record in converted.records.items():
        truth = _true_masks(converted, image_id)
        decoded = decode(tf.constant(record))
        size = tf.constant(truth.shape[1:], tf.int32)
        for at, mask in enumerate(truth):
            whole = decode_mask(decoded["masks"][at], size).numpy()
            np.testing.assert_array_equal(whole, mask, err_msg=f"image {image_id}, instance {at}")


@pytest.mark.shared
def test_model_garden_s_decoder_reads_the_same_masks_boxes_and_classes(converted: _Set) -> None:
    decode = tf.function(tf_example_decoder.TfExampleDecoder(include_mask=True).decode)
    classes = {id_: at for at, id_ in enumerate(sorted(converted.truth.cats), start=1)}
    for image_id, record in converted.records.items():
        decoded = decode(tf.constant(record))
        truth = _true_masks(converted, image_id)
        np.testing.assert_array_equal(decoded["groundtruth_instance_masks"], truth)
        annotations = [converted.truth.anns[id_] for id_ in converted.written[image_id]]
        height, width = truth.shape[1:]
        boxes = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
        x, y, w, h = boxes.T
        edges = np.stack([y, x, np.minimum(y + h, height), np.minimum(x + w, width)], axis=-1)
        got = decoded["groundtruth_boxes"] * np.array([height, width, height, width])
        np.testing.assert_allclose(got, edges, atol=1e-3)
        np.testing.assert_array_equal(
            decoded["groundtruth_classes"], [classes[a["category_id"]] for a in annotations]
        )
        np.testing.assert_array_equal(decoded["groundtruth_is_crowd"], [a["iscrowd"] for a in annotations])


@pytest.mark.shared
def test_masks_at_the_prototype_grid_are_those_of_the_original(converted: _Set) -> None:
    parser = yolact_input.Parser(configs.Parser(), configs.YolactModel(), is_training=False)
    parse = tf.function(parser.parse, autograph=False)
    overlaps: dict[Any, list[float]] = {np.uint8: [], np.float32: []}
    for image_id, record in converted.records.items():
        _, labels = parse(tf.constant(record), tf.constant(0, tf.int64))
        truth = _true_masks(converted, image_id)
        crowd = np.array([converted.truth.anns[id_]["iscrowd"] for id_ in converted.written[image_id]], bool)
        count = int(labels["num_instances"])
        assert count == len(truth)
        shown = labels["masks"].numpy()
        assert not shown[count:].any()
        for mask, ours in zip([*truth[~crowd], *truth[crowd]], shown, strict=False):
            for dtype, listed in overlaps.items():
                pixels = cv2.resize(mask.astype(dtype), (550, 550), interpolation=cv2.INTER_LINEAR) >= 0.5
                cells = (
                    cv2.resize(pixels.astype(np.float32), (138, 138), interpolation=cv2.INTER_LINEAR) > 0.5
                )
                if cells.any() or ours.any():
                    listed.append(_iou(cells, ours))
    # The original resizes bytes, for which OpenCV interpolates in fixed point: that is all the difference.
    print({dtype.__name__: (len(listed), np.mean(listed), min(listed)) for dtype, listed in overlaps.items()})
    assert np.mean(overlaps[np.uint8]) >= 0.985
    assert np.mean(overlaps[np.float32]) >= 0.999
