"""COCO JSON and its images into TFRecord shards, one image in memory at a time per worker.

Everything is written under temporary names. When all of it is on the disk the shards are renamed, then
`instances-NAME.json`, and the manifest last: a conversion that was stopped leaves no manifest.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import math
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

from official_yolact.data import coco_json
from official_yolact.data import image_files
from official_yolact.data import manifest as manifest_lib
from official_yolact.data import records

IMAGES_PER_SHARD = 500
"""Shards of COCO then have about 80 MB; of small sets there is one."""

Progress = Callable[[int, int], None]
"""Is called with the images done and their total."""

_SPLIT = re.compile(r"[A-Za-z0-9_.-]+")
_TEMPORARY_SUFFIX = ".incomplete"
_FRAMING_BYTES = 16


@dataclasses.dataclass
class _Part:
    """What one shard contributes: COCO entries by position of the image, and counts."""

    shard: manifest_lib.Shard
    images: dict[int, dict[str, Any]]
    annotations: dict[int, list[dict[str, Any]]]
    skipped: collections.Counter[str]
    changed: collections.Counter[str]


def convert_coco(
    annotations: str,
    images_dir: str,
    output_dir: str,
    split: str,
    *,
    num_shards: int | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> manifest_lib.Manifest:
    """Convert a COCO data set.

    Which image goes to which shard depends on the file and the number of shards only: the bytes are the
    same for any number of workers.

    Args:
      annotations: COCO instances JSON.
      images_dir: folder that the file names are relative to.
      output_dir: is made; shards of an earlier conversion of this split are replaced.
      split: name of the shards, `train` gives `train-00000-of-00004.tfrecord`.
      num_shards: None: one for each 500 images.
      workers: shards that are written at a time, each in a thread.
      progress: is called after each image.

    Returns:
      The manifest, which is also in `output_dir`.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the record, the field, its value and the cure.
    """
    _check_options(annotations, images_dir, split, num_shards, workers)
    source = coco_json.read(annotations)
    total = num_shards or max(1, math.ceil(len(source.images) / IMAGES_PER_SHARD))
    if total > len(source.images):
        raise ValueError(
            f"shards is {total}, but {annotations} has {len(source.images)} images: ask for fewer"
        )
    paths = [image_files.locate(image, images_dir, _where(source, image)) for image in source.images]
    os.makedirs(output_dir, exist_ok=True)
    names = [manifest_lib.shard_name(split, index, total) for index in range(total)]
    stale = _find_earlier_shards(output_dir, split) - set(names)
    writer = _ShardWriter(source, paths, output_dir, _Counter(len(paths), progress))
    with _temporaries(output_dir, split):
        parts = _write_all(writer, names, workers)
        manifest = _describe(source, images_dir, split, parts)
        _publish(output_dir, manifest, _to_coco(source, parts), stale)
    return manifest


class _Counter:
    """Counts images over threads."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._lock = threading.Lock()
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self) -> None:
        with self._lock:
            self._done += 1
            if self._progress:
                self._progress(self._done, self._total)


class _ShardWriter:
    """Writes shards of one data set; images go round the shards in turn."""

    def __init__(
        self, source: coco_json.CocoJson, paths: list[str], output_dir: str, count: _Counter
    ) -> None:
        self._source, self._paths, self._output_dir, self._count = source, paths, output_dir, count
        self._class_of = source.categories.class_of()
        self._name_of = dict(zip(source.categories.ids, source.categories.names, strict=True))
        self._spare_id = 1 + max(a.id for listed in source.annotations.values() for a in listed)
        self.stop = threading.Event()

    def write(self, index: int, names: list[str]) -> _Part:
        """Write one shard under its temporary name."""
        import tensorflow as tf  # noqa: PLC0415

        path = _temporary(self._output_dir, names[index])
        positions = range(index, len(self._paths), len(names))
        part = _Part(
            manifest_lib.Shard(names[index], 0, 0, ""), {}, {}, collections.Counter(), collections.Counter()
        )
        expected = 0
        try:
            with tf.io.TFRecordWriter(path) as file:
                for position in positions:
                    if self.stop.is_set():
                        break
                    record = self._make_record(position, part)
                    file.write(record)
                    expected += len(record) + _FRAMING_BYTES
                    self._count()
        except tf.errors.OpError as error:
            raise OSError(f"{path}: cannot be written: {error}") from error
        part.shard = manifest_lib.describe_shard(path, names[index], len(part.images))
        if part.shard.bytes != expected:
            raise OSError(f"{path}: {part.shard.bytes} of {expected} bytes were written: is the disk full?")
        return part

    def _make_record(self, position: int, part: _Part) -> bytes:
        image = self._source.images[position]
        encoded = image_files.read(
            self._paths[position], image.height, image.width, _where(self._source, image)
        )
        part.changed.update(encoded.changes)
        instances = records.make_instances(
            self._source.annotations[image.id],
            encoded.height,
            encoded.width,
            self._source.path,
            skipped=part.skipped,
            changed=part.changed,
        )
        part.images[position] = {
            "id": image.id,
            "file_name": image.file_name,
            "height": encoded.height,
            "width": encoded.width,
        }
        part.annotations[position] = [self._to_coco(instance) for instance in instances]
        return records.make_record(image, encoded, instances, self._class_of, self._name_of)

    def _to_coco(self, instance: records.Instance) -> dict[str, Any]:
        annotation = instance.annotation
        return {
            # pycocotools marks what is unmatched with id 0.
            "id": annotation.id or self._spare_id,
            "image_id": annotation.image_id,
            "category_id": annotation.category_id,
            "bbox": list(instance.box),
            "area": instance.area,
            "iscrowd": int(annotation.is_crowd),
            "segmentation": instance.segmentation,
        }


def _check_options(
    annotations: str, images_dir: str, split: str, num_shards: int | None, workers: int
) -> None:
    if not os.path.isfile(annotations):
        raise FileNotFoundError(f"{annotations}: no such annotation file")
    if not os.path.isdir(images_dir):
        raise NotADirectoryError(f"{images_dir}: no such image folder")
    if not _SPLIT.fullmatch(split):
        raise ValueError(f"split is {split!r}: use letters, digits, '_', '.' and '-'")
    if num_shards is not None and num_shards < 1:
        raise ValueError(f"shards is {num_shards}: at least 1")
    if workers < 1:
        raise ValueError(f"workers is {workers}: at least 1")


def _where(source: coco_json.CocoJson, image: coco_json.Image) -> str:
    return f"{source.path}: image {image.id}"


def _temporary(output_dir: str, name: str) -> str:
    return os.path.join(output_dir, f"{name}{_TEMPORARY_SUFFIX}")


def _shard_pattern(split: str) -> str:
    return re.escape(split) + r"-\d{5,}-of-\d{5,}\.tfrecord"


def _find_earlier_shards(output_dir: str, split: str) -> set[str]:
    """List the shards that an earlier conversion of this split left.

    Raises:
      ValueError: there are shards that no manifest names; a reader's pattern would take them too.
    """
    pattern = re.compile(_shard_pattern(split))
    found = {name for name in os.listdir(output_dir) if pattern.fullmatch(name)}
    path = os.path.join(output_dir, manifest_lib.file_name(split))
    ours = set()
    if os.path.exists(path):
        ours = {shard.file for shard in manifest_lib.Manifest.load(path).shards}
    if found - ours:
        raise ValueError(
            f"{output_dir}: {sorted(found - ours)[0]} belongs to no finished conversion:"
            " remove it or choose another output folder"
        )
    return found


@contextlib.contextmanager
def _temporaries(output_dir: str, split: str) -> Iterator[None]:
    """Remove what is left under temporary names, also by a conversion that was killed."""
    _remove_temporaries(output_dir, split)
    try:
        yield
    finally:
        _remove_temporaries(output_dir, split)


def _remove_temporaries(output_dir: str, split: str) -> None:
    pattern = re.compile(_shard_pattern(split) + re.escape(_TEMPORARY_SUFFIX))
    for name in filter(pattern.fullmatch, os.listdir(output_dir)):
        os.remove(os.path.join(output_dir, name))


def _write_all(writer: _ShardWriter, names: list[str], workers: int) -> list[_Part]:
    with concurrent.futures.ThreadPoolExecutor(min(workers, len(names))) as pool:
        futures = [pool.submit(writer.write, index, names) for index in range(len(names))]
        try:
            concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            return [future.result() for future in sorted(futures, key=lambda future: not future.done())]
        finally:
            writer.stop.set()
            pool.shutdown(cancel_futures=True)


def _describe(
    source: coco_json.CocoJson, images_dir: str, split: str, parts: list[_Part]
) -> manifest_lib.Manifest:
    skipped = sum((part.skipped for part in parts), collections.Counter())
    changed = sum((part.changed for part in parts), collections.Counter())
    if source.orphans:
        skipped["image_not_listed"] = source.orphans
    num_instances = sum(len(listed) for part in parts for listed in part.annotations.values())
    if not num_instances:
        raise ValueError(f"{source.path}: no annotation can be used; left out: {dict(skipped)}")
    return manifest_lib.Manifest(
        name=split,
        num_records=sum(part.shard.records for part in parts),
        num_instances=num_instances,
        categories=source.categories.to_coco(),
        annotations=f"instances-{split}.json",
        shards=[part.shard for part in parts],
        source={"annotations": source.path, "sha256": source.sha256, "images": images_dir},
        skipped=dict(sorted(skipped.items())),
        changed=dict(sorted(changed.items())),
        options={"num_shards": len(parts)},
        instances_per_image=_count_by_image(parts),
    )


def _count_by_image(parts: list[_Part]) -> dict[str, int]:
    counts = collections.Counter(len(part.annotations.get(at, ())) for part in parts for at in part.images)
    return {str(number): counts[number] for number in sorted(counts)}


def _to_coco(source: coco_json.CocoJson, parts: list[_Part]) -> dict[str, Any]:
    images = {position: entry for part in parts for position, entry in part.images.items()}
    annotations = {position: listed for part in parts for position, listed in part.annotations.items()}
    return {
        "info": {},
        "images": [images[position] for position in sorted(images)],
        "annotations": [entry for position in sorted(annotations) for entry in annotations[position]],
        "categories": source.categories.to_coco(),
    }


def _publish(
    output_dir: str, manifest: manifest_lib.Manifest, instances: dict[str, Any], stale: set[str]
) -> None:
    manifest_path = os.path.join(output_dir, manifest_lib.file_name(manifest.name))
    for shard in manifest.shards:
        with open(_temporary(output_dir, shard.file), "rb+") as file:
            os.fsync(file.fileno())
    with contextlib.suppress(FileNotFoundError):
        os.remove(manifest_path)
    for name in stale:
        os.remove(os.path.join(output_dir, name))
    for shard in manifest.shards:
        os.replace(_temporary(output_dir, shard.file), os.path.join(output_dir, shard.file))
    manifest_lib.write_json(os.path.join(output_dir, manifest.annotations), instances)
    manifest.save(manifest_path)
