"""What the manifest beside TFRecord shards says of the data set."""

from __future__ import annotations

import os
from collections.abc import Sequence

import tensorflow as tf

from official_yolact.coco import inspection
from official_yolact.dataloaders import shards as shards_lib
from official_yolact.records import manifest as manifest_lib
from official_yolact_runtime import categories as categories_lib

_CURE = "convert the data with `yolact data convert`, which writes it"


def find_manifest(input_path: str | Sequence[str]) -> tuple[str, manifest_lib.Manifest]:
    """Find the manifest that lists the shards.

    Args:
      input_path: as in `DataConfig`.

    Returns:
      Its path and its content.

    Raises:
      OSError: there are no shards, or none of the manifests beside them lists one.
      ValueError: one of the manifests is none.
    """
    files = shards_lib.list_files(input_path)
    for path, manifest in manifest_lib.find(files).items():
        if manifest.list_shards(path).keys() & set(files):
            return path, manifest
    raise FileNotFoundError(f"{os.path.dirname(files[0])}: no manifest-*.json lists {files[0]}: {_CURE}")


def load_categories(input_path: str | Sequence[str]) -> categories_lib.Categories:
    """Read the classes of the records, in the order of their class ids."""
    return find_manifest(input_path)[1].classes


def load_class_names(input_path: str | Sequence[str], num_classes: int) -> list[str]:
    """Read the names of class 1, 2, ...; where no manifest has them, `class 1`, `class 2`, ...

    Args:
      input_path: as in `DataConfig`.
      num_classes: C, with the background.

    Returns:
      C - 1 names.
    """
    try:
        return list(load_categories(input_path).names)
    except FileNotFoundError:
        return [f"class {number}" for number in range(1, num_classes)]


def find_annotations(input_path: str | Sequence[str]) -> str:
    """Find the `instances-NAME.json` that was written beside the shards.

    Raises:
      OSError: it is not there.
    """
    path, manifest = find_manifest(input_path)
    annotations = os.path.join(os.path.dirname(path), manifest.annotations)
    if not tf.io.gfile.exists(annotations):
        raise FileNotFoundError(
            f"{annotations}: no such annotation file, though {path} names it: {_CURE}, or name another in "
            "task.annotation_file"
        )
    return annotations


def list_annotations(files: Sequence[str]) -> list[str] | None:
    """List every `instances-NAME.json` that was written beside some shards; None where a shard has none."""
    found, unlisted = [], set(files)
    for path, manifest in manifest_lib.find(files).items():
        held = manifest.list_shards(path).keys()
        annotations = os.path.join(os.path.dirname(path), manifest.annotations)
        if held & unlisted and tf.io.gfile.exists(annotations):
            found.append(annotations)
            unlisted -= held
    return None if unlisted else found


def list_notes(input_path: str | Sequence[str]) -> list[str]:
    """List lines about what is unusual about the data, of every manifest that lists one of the shards."""
    files = set(shards_lib.list_files(input_path))
    lines = []
    for path, manifest in manifest_lib.find(files).items():
        if manifest.notes and manifest.list_shards(path).keys() & files:
            source = manifest.source
            lines += inspection.format_notes(source["annotations"], manifest.notes, source["images"])
    return lines


def count_overfull(input_path: str | Sequence[str], max_num_instances: int) -> int:
    """Count the images with more instances than the padded labels have rows for.

    Args:
      input_path: as in `DataConfig`.
      max_num_instances: rows of the padded labels.

    Returns:
      The count.
    """
    _, manifest = find_manifest(input_path)
    counts = manifest.instances_per_image
    return sum(images for number, images in counts.items() if int(number) > max_num_instances)
