"""COCO JSON and its images into TFRecord shards, one image in memory at a time per worker.

Everything is written in a work folder. When all of it is there the shards get their final names, then
`instances-NAME.json`, and the manifest last. A conversion that was stopped, however it was, continues
with the shards that are complete.
"""

from __future__ import annotations

import collections
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from official_yolact.coco import index as coco_index
from official_yolact.coco import inspection
from official_yolact.data import parts
from official_yolact.data import worker_count
from official_yolact.data.conversion import convert_options
from official_yolact.data.conversion import shard_pool
from official_yolact.data.conversion import shard_writer
from official_yolact.data.conversion import tally as tally_lib
from official_yolact.data.conversion import work_folder
from official_yolact.images import image_files
from official_yolact.images import image_folders
from official_yolact.records import manifest as manifest_lib
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import outputs

IMAGES_PER_SHARD = 500
"""Shards of COCO then have about 80 MB."""

_SMALL_SHARDS, _IMAGES_PER_SMALL_SHARD = 4, 100

FORMAT = 3
"""To be raised whenever equal input results in other bytes: earlier shards are then not kept."""

Progress = Callable[[int, int], None]
"""Is called with the images done and their total."""

_BOXES = {"mask": inspection.MASKS_WRITTEN, "file": inspection.FILE_WRITTEN}

_SPLIT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def convert_coco(
    annotations: str,
    images_dir: str,
    output_dir: str,
    split: str,
    *,
    num_shards: int | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    options: convert_options.ConvertOptions | None = None,
    force: bool = False,
) -> manifest_lib.Manifest:
    """Convert a COCO data set.

    Which image goes to which shard depends on the file and the number of shards only: the bytes are the
    same for any number of workers, and whether or not the conversion was stopped in between. With several
    workers a program must start its work under `if __name__ == "__main__"`, as Python's
    `multiprocessing` asks.

    Args:
      annotations: COCO instances JSON.
      images_dir: folder that the file names are relative to.
      output_dir: is made; shards of an earlier conversion of this split are replaced.
      split: name of the shards: `train` for `train-00000-of-00004.tfrecord`.
      num_shards: None: one for each 500 images; up to four for smaller sets, one for each 100 images.
      workers: shards that are written at a time, each in a process; 1 works in this process.
      progress: is called as images are done.
      options: what to leave out, to change and to refuse; None: the defaults.
      force: replace shards, manifest and JSON of this split that were changed since they were written.

    Returns:
      The manifest, which is also in `output_dir`.

    Raises:
      OSError: a file cannot be read or written; the same call continues.
      ValueError: names the file, the record, the field, its value and the cure.
    """
    options = options or convert_options.ConvertOptions()
    _check(annotations, images_dir, split, num_shards, workers)
    for name in (f"instances-{split}.json", manifest_lib.file_name(split)):
        path = os.path.join(output_dir, name)
        if outputs.find_input(path, [annotations]):
            raise ValueError(f"{path}: is the file that is read: name another folder with --output")
    conversion = _Conversion(annotations, images_dir, output_dir, split, num_shards, options, force)
    folder = work_folder.path_of(output_dir, split)
    os.makedirs(output_dir, exist_ok=True)
    with work_folder.hold(folder):
        try:
            manifest = conversion.run(workers, progress)
        except BaseException:
            work_folder.remove_if_empty(folder)
            raise
        work_folder.remove(folder)
    return manifest


class _Conversion:
    """What is known before the first image is opened."""

    def __init__(
        self,
        annotations: str,
        images_dir: str,
        output_dir: str,
        split: str,
        num_shards: int | None,
        options: convert_options.ConvertOptions,
        force: bool,
    ) -> None:
        self._images_dir, self._output_dir, self._split = images_dir, output_dir, split
        self._force = force
        self._index = coco_index.read_index(annotations, skip_bad=options.bad_annotations == "skip")
        self._options = options = options.read_names(self._index.categories.names)
        count = len(self._index.images)
        total = num_shards or _count_shards(count)
        if total > count:
            raise ValueError(f"shards is {total}, but {annotations} has {count} images: ask for fewer")
        self._names = [manifest_lib.shard_name(split, index, total) for index in range(total)]
        self._files: collections.Counter[str] = collections.Counter()
        self._inputs = [self._fingerprint(index) for index in range(total)]
        self._categories, self._id_map = options.choose_categories(self._index.categories, annotations)

    def run(self, workers: int, progress: Progress | None) -> manifest_lib.Manifest:
        """Write what is not there yet, and publish all of it."""
        folder = work_folder.path_of(self._output_dir, self._split)
        earlier = work_folder.find_earlier_shards(self._output_dir, self._split, self._force)
        if work_folder.prepare(folder, self._job()):
            published = work_folder.find_published(self._output_dir, self._split)
            if published is not None:
                return published
        counter = _Counter(len(self._index.images), progress)
        writer = shard_writer.ShardWriter(
            self._index.path,
            self._images_dir,
            folder,
            self._options,
            self._categories,
            self._id_map,
            self._index.spare_id,
        )
        jobs = self._open_jobs(folder, counter)
        shard_pool.write_all(writer, jobs, min(workers, len(self._names)), folder, counter)
        manifest = self._describe(folder)
        if not manifest.num_instances:
            work_folder.remove(folder)
            left_out = manifest.skipped | manifest.skipped_images
            raise ValueError(f"{self._index.path}: no annotation can be used; left out: {left_out}")
        instances = _to_coco(folder, self._names, self._categories)
        work_folder.publish(self._output_dir, manifest, instances, earlier)
        return manifest

    def _job(self) -> dict[str, Any]:
        """What decides every byte, but for the images."""
        return {
            "format": FORMAT,
            "sha256": self._index.sha256,
            "annotations": self._index.path,
            "images": self._images_dir,
            "shards": len(self._names),
            "options": self._options.to_dict(),
        }

    def _positions(self, index: int) -> range:
        """Images go round the shards in turn."""
        return range(index, len(self._index.images), len(self._names))

    def _fingerprint(self, index: int) -> str:
        digest = hashlib.sha256()
        for position in self._positions(index):
            image = self._index.images[position]
            try:
                path = image_files.locate(image, self._images_dir, f"{self._index.path}: image {image.id}")
                try:
                    status = os.stat(path)
                except OSError as error:
                    raise image_files.BadImageError("image_missing", f"{path}: {error.strerror}") from error
                self._files[os.path.relpath(path, self._images_dir)] += 1
                state = f"{path} {status.st_size} {status.st_mtime_ns}"
            except image_files.BadImageError as error:
                if self._options.bad_images == "error":
                    raise
                state = f"{image.file_name} {error.reason}"
            digest.update(f"{state}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _open_jobs(self, folder: str, counter: _Counter) -> Iterator[shard_writer.ShardJob]:
        for index, name in enumerate(self._names):
            positions = self._positions(index)
            if work_folder.find_complete(folder, self._output_dir, name, self._inputs[index]):
                counter(len(positions))
                continue
            yield shard_writer.ShardJob(
                name,
                self._inputs[index],
                [self._index.images[position] for position in positions],
                [self._index.spans_of(position) for position in positions],
            )

    def _describe(self, folder: str) -> manifest_lib.Manifest:
        tally, per_image = tally_lib.Tally(), collections.Counter[int]()
        shards = []
        for name in self._names:
            summary = work_folder.load_summary(folder, name)
            if summary is None:
                raise OSError(f"{folder}: the summary of {name} has gone: run the same command again")
            shards.append(summary.shard)
            tally.add(summary.tally)
            per_image.update(summary.instances_per_image)
        tally.changed["images_of_one_file"] += sum(n for n in self._files.values() if n > 1)
        for reason, ids in (("image_not_listed", self._index.orphans), ("bad_annotation", self._index.bad)):
            for annotation_id in ids:
                tally.skip_annotation(reason, annotation_id)
        return self._make_manifest(shards, tally, per_image)

    def _make_manifest(
        self, shards: list[manifest_lib.Shard], tally: tally_lib.Tally, per_image: collections.Counter[int]
    ) -> manifest_lib.Manifest:
        index, noted = self._index, tally.to_dict()
        skipped, skipped_images = tally_lib.count(tally.annotations), tally_lib.count(tally.images)
        num_records = sum(shard.records for shard in shards)
        num_instances = sum(shard.instances for shard in shards)
        assert len(index.images) == num_records + sum(skipped_images.values())
        assert index.num_annotations == num_instances + sum(skipped.values())
        class_of = self._categories.class_of()
        return manifest_lib.Manifest(
            name=self._split,
            num_records=num_records,
            num_instances=num_instances,
            categories=self._categories.to_coco(),
            annotations=f"instances-{self._split}.json",
            shards=shards,
            source={"annotations": index.path, "sha256": index.sha256, "images": self._images_dir},
            skipped=skipped,
            changed=noted["changed"],
            options={"num_shards": len(shards), **self._options.to_dict()},
            instances_per_image={str(number): per_image[number] for number in sorted(per_image)},
            images_in=len(index.images),
            instances_in=index.num_annotations,
            skipped_images=skipped_images,
            skipped_ids={key: noted[key] for key in ("images", "annotations")},
            category_map={str(source): class_of[self._id_map[source]] for source in sorted(self._id_map)},
            notes=[
                *inspection.describe(
                    tally.seen, self._categories, index.roots, self._files, _BOXES[self._options.boxes]
                ),
                *image_files.describe_depth(noted["changed"], self._options.bit_depth, "convert"),
                *filter(None, [image_folders.describe_unread(self._images_dir, named=self._files)]),
            ],
        )


def _count_shards(images: int) -> int:
    """Choose a number of shards that does not depend on the number of workers."""
    few = min(_SMALL_SHARDS, math.ceil(images / _IMAGES_PER_SMALL_SHARD))
    return max(1, few, math.ceil(images / IMAGES_PER_SHARD))


class _Counter:
    """Counts images that are done."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, number: int) -> None:
        self._done += number
        if self._progress and number:
            self._progress(self._done, self._total)


def _check(annotations: str, images_dir: str, split: str, num_shards: int | None, workers: int) -> None:
    if not os.path.isfile(annotations):
        raise FileNotFoundError(f"{annotations}: no such annotation file{inputs.hint(annotations)}")
    if not os.path.isdir(images_dir):
        raise NotADirectoryError(f"{images_dir}: no such image folder{inputs.hint(images_dir)}")
    if not _SPLIT.fullmatch(split):
        raise ValueError(f"split is {split!r}: use letters, digits, '_', '-' and, not at first, '.'")
    parts.refuse_long(split, f"{annotations}: split")
    if num_shards is not None and num_shards < 1:
        raise ValueError(f"shards is {num_shards}: at least 1")
    worker_count.check(workers)


def _to_coco(folder: str, names: list[str], categories: categories_lib.Categories) -> Iterator[bytes]:
    """Yield the JSON of what was written in pieces, the entries shard after shard."""
    yield b'{"info": {}, "images": ['
    separator = b""
    for image, _ in work_folder.read_entries(folder, names):
        yield separator + json.dumps(image).encode()
        separator = b", "
    yield b'], "annotations": ['
    separator = b""
    for _, listed in work_folder.read_entries(folder, names):
        for annotation in listed:
            yield separator + json.dumps(annotation).encode()
            separator = b", "
    yield b'], "categories": ' + json.dumps(categories.to_coco()).encode() + b"}"
