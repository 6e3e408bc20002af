"""Whether the ground truth of the evaluation fits the records that are evaluated, found before a run."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from google.protobuf import message

from official_yolact.configs import finding
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import manifests
from official_yolact.dataloaders import shards
from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.files import storage
from official_yolact.records import framing
from official_yolact.records import record_file
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime.files import inputs

_PATH = "task.annotation_file"
_OTHERS = ("task.validation_data.input_path",)
_CURE = (
    "name the COCO instances file of the validation records, or delete the line: the converter wrote one "
    "beside them"
)


def find(config: configs.YolactTask) -> str:
    """Find the annotation file of the evaluation: the one that is named, or the converter's.

    Raises:
      OSError: none is named, and there is none beside the validation records.
    """
    return config.annotation_file or manifests.find_annotations(config.validation_data.input_path)


def find_faults(
    config: configs.YolactTask, trained: categories_lib.Categories | None = None
) -> Iterator[finding.Finding]:
    """Compare the annotation file with the validation records and with the classes of the model.

    The evaluation would find the same, after the first hours of a training.

    Args:
      config: the task, checked. Nothing is said of records that are not there, nor of an annotation file
        that would lie beside them.
      trained: classes of the model; None: those of the training records, or else of the validation records.

    Yields:
      Errors, and warnings of images that are on one side only.
    """
    named, records = config.annotation_file, config.validation_data.input_path
    try:
        listed = shards.list_files(records)
    except (OSError, ValueError):
        listed = []
    if not named and not listed:
        return
    try:
        path = find(config)
        with storage.fetch(path) as local:
            groundtruth = groundtruth_lib.load_groundtruth(local)
        if groundtruth.has_masks:
            _ = groundtruth.mask_annotations  # raises where a segmentation is malformed
        classes = trained or _find_classes(config)
        if classes is not None:
            yield from _compare_classes(classes, groundtruth, named)
        if named and listed:
            yield from _compare_images(groundtruth, listed, named)
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = storage.describe(error).removeprefix(f"{named}: ")
        rule = f"but it cannot be evaluated against: {reason}"
        near = inputs.suggest(named) if named and isinstance(error, FileNotFoundError) else ""
        cure = f"did you mean {near}?" if near else _CURE
        yield finding.Finding(_PATH, repr(named), rule, cure, others=_OTHERS)


def _find_classes(config: configs.YolactTask) -> categories_lib.Categories | None:
    for data in (config.train_data, config.validation_data):
        try:
            return manifests.load_categories(data.input_path)
        except (OSError, ValueError):
            continue
    return None


def _compare_classes(
    classes: categories_lib.Categories, groundtruth: groundtruth_lib.GroundTruth, named: str
) -> Iterator[finding.Finding]:
    known = set(coco_evaluator.map_classes(classes, groundtruth).values())
    used = {annotation["category_id"] for annotation in groundtruth.annotations}
    names = groundtruth.categories.name_of()
    if unknown := sorted(used - known):
        few = ", ".join(repr(names[one]) for one in unknown[:3])
        rule = f"has objects of {len(unknown)} categories that are no classes of the model: {few}"
        yield _warn(named, rule, "name the file of the model's classes: these objects count as missed")


def _compare_images(
    groundtruth: groundtruth_lib.GroundTruth, listed: Sequence[str], named: str
) -> Iterator[finding.Finding]:
    """Compare the images of the file with those that the converter wrote down beside the shards."""
    lists = manifests.list_annotations(listed)
    held: dict[int, dict[str, Any]] = {}
    for path in lists or ():
        with storage.fetch(path) as local:
            held |= groundtruth_lib.load_images(local)
    images = groundtruth.images
    common: list[int] = sorted(images.keys() & (_find_first(listed, images) if lists is None else held))
    if not common:
        raise ValueError(f"it lists none of the images of {listed[0]}")
    if lists is None:
        return
    if not any(_stem(images[one]) == _stem(held[one]) for one in common):
        raise ValueError(
            f"its image {common[0]} is {images[common[0]]['file_name']!r}, and that of {listed[0]} is "
            f"{held[common[0]]['file_name']!r}, and so on for each: it is of other images"
        )
    for one in common:
        groundtruth.check_size(one, held[one]["height"], held[one]["width"])
    if missing := len(images) - len(common):
        rule = f"lists {missing} images that are not in {listed[0]} and the other validation records"
        yield _warn(named, rule, "name the file of these records: the objects of such images count as missed")
    if unlisted := len(held) - len(common):
        rule = f"does not list {unlisted} of the images in {listed[0]} and the other validation records"
        yield _warn(named, rule, "name the file of these records: what is detected there does not count")


def _warn(named: str, rule: str, cure: str) -> finding.Finding:
    return finding.Finding(_PATH, repr(named), rule, cure, finding.WARNING, others=_OTHERS)


def _stem(image: Mapping[str, Any]) -> str:
    return os.path.splitext(os.path.basename(str(image["file_name"])))[0]


def _find_first(listed: Sequence[str], images: Mapping[int, Any]) -> set[int]:
    """Read records until one is of a listed image: the first, or with a wrong file all of them.

    TensorFlow must not read them: its devices can still be configured until it has run an operation.
    """
    for file in listed:
        with tf.io.gfile.GFile(file, "rb") as stream:
            for offset in framing.index_records(file):
                if offset != framing.UNREADABLE:
                    stream.seek(int(offset))
                    number = _read_id(stream)
                    if number is not None and number in images:
                        return {number}
    return set()


def _read_id(stream: Any) -> int | None:
    (length,) = struct.unpack_from("<Q", stream.read(record_file.HEADER_BYTES))
    try:
        example = tf.train.Example.FromString(stream.read(length))
        return int(example.features.feature["image/source_id"].bytes_list.value[0])
    except (message.DecodeError, IndexError, ValueError):
        return None  # a damaged record, which the evaluation counts
