"""Large photos and their annotations into tiles, as `predict_tiled` divides photos, to train on."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import segmentations
from official_yolact.data import parts as parts_lib
from official_yolact.images import image_files
from official_yolact_runtime import mask_windows
from official_yolact_runtime import photo_masks
from official_yolact_runtime import pieces
from official_yolact_runtime import tiling
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import reading

FILE_NAME = "instances.json"
IMAGES = "images"
LEAST_VISIBLE = 0.3
"""Of its pixels, an object that an edge cuts keeps at least this part, or is written as a crowd region."""

_ENDINGS = {"jpeg": "jpg", "png": "png"}


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was written.

    Attributes:
      path: of the JSON file.
      images_dir: folder of the tiles.
      photos: number of photos that were divided.
      tiles: number of tiles.
      annotations: number of entries, crowd regions among them.
      regions: objects of which a tile shows less than the least part; there they are crowd regions.
      cut: objects that an edge cuts and that are objects there.
      empty: tiles without an object that were left out.
      left_out: file names of images that could not be read.
      orphans: annotations of images that are not listed; they are left out.
      changed: photos whose pixels are not those of the file, by what was done.
      notes: what a person should know of it.
    """

    path: str
    images_dir: str
    photos: int
    tiles: int
    annotations: int
    regions: int
    cut: int
    empty: int
    left_out: list[str]
    orphans: int
    changed: dict[str, int]
    notes: list[str]


def tile_coco(
    annotations: str,
    output_dir: str,
    images_dir: str,
    tile: Sequence[int],
    overlap: float = tiling.OVERLAP,
    *,
    least_visible: float = LEAST_VISIBLE,
    drop_empty: bool = False,
    bad_images: str = "error",
    bit_depth: int = 16,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Write `instances.json`, and in `images/` the tiles of each photo.

    An object is in each tile that shows a pixel of it, with the part of its mask that lies there. Where that
    is too small a part of it, it is written as a crowd region: a training neither demands nor punishes a
    detection there. Each image has the fields `photo`, `top` and `left`: the file name of its photo, and the
    pixel of it where the tile begins. Each annotation has `source_id`, the id that it has in the photo.

    Args:
      annotations: COCO instances JSON of the photos.
      output_dir: is made.
      images_dir: folder of the photos.
      tile: (height, width) of a tile in pixels, at least 32 each; a photo has one tile where it is smaller.
      overlap: part of its height and width that a tile shares with the next one at least, 0.1 to 0.8.
      least_visible: part of an object's pixels, 0 to 1.
      drop_empty: leave out tiles that show nothing of an object.
      bad_images: `error`, or `skip`: leave out images that are missing or cannot be read.
      bit_depth: of a photo of 16 bits a channel, so many are used, of which the upper 8 are kept.
      force: replace files that this program did not write.
      progress: is called with the photos done and their total.

    Returns:
      What was written.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the record, the field, its value and the cure.
    """
    sides = tiling.check_tile(tile[0]), tiling.check_tile(tile[1])
    overlap = tiling.check_overlap(overlap)
    if not 0 <= least_visible <= 1:
        raise ValueError(f"least-visible is {least_visible}: expected a part of an object's pixels, 0 to 1")
    path = os.path.join(output_dir, FILE_NAME)
    read: list[str | outputs.Folder] = [annotations, outputs.Folder(images_dir)]
    outputs.check(path, inputs=read, force=force, root=output_dir)
    source = coco_annotations.read(annotations)
    cutter = _Cutter(source, least_visible, drop_empty, bit_depth)
    skipped = (image_files.BadImageError,) if bad_images == "skip" else ()
    paths = _locate(source, images_dir, skipped)
    stems = _choose_stems(paths)
    left_out = [image.file_name for image in source.images if image.id not in paths]
    for done, image in enumerate(source.images, 1):
        if image.id not in paths:
            continue
        try:
            photo = cutter.open(image, os.path.join(images_dir, paths[image.id]))
        except skipped:
            left_out.append(image.file_name)
            continue
        for name, data in cutter.cut(image, stems[image.id], photo, sides, overlap):
            tile_path = os.path.join(output_dir, IMAGES, name)
            outputs.write(tile_path, data, inputs=read, force=force, root=output_dir)
        if progress:
            progress(done, len(source.images))
    if not cutter.images:
        raise ValueError(
            f"{annotations}: no tile is left of {len(source.images)} photos: there is nothing to learn"
        )
    content = {**cutter.rest, "images": cutter.images, "annotations": cutter.annotations}
    parts_lib.write_json({path: content}, output_dir, inputs=[annotations], force=force)
    counts = cutter.counts
    return Summary(
        path=path,
        images_dir=os.path.join(output_dir, IMAGES),
        photos=len(source.images) - len(left_out),
        tiles=len(cutter.images),
        annotations=len(cutter.annotations),
        cut=counts["cut"],
        regions=counts["regions"],
        empty=counts["empty"],
        left_out=left_out,
        orphans=source.orphans,
        changed=dict(cutter.changed),
        notes=image_files.describe_depth(cutter.changed, bit_depth, "cut"),
    )


def _locate(
    source: coco_annotations.CocoJson, images_dir: str, skipped: tuple[type[Exception], ...]
) -> dict[int, str]:
    """Find the file of each image: its path below the folder, by the image's id.

    Images whose file is not found are left out where `skipped` has that error.

    Raises:
      BadImageError: a file is not found.
      ValueError: two images have one file.
    """
    paths: dict[int, str] = {}
    for image in source.images:
        with contextlib.suppress(*skipped):
            path = image_files.locate(image, images_dir, f"{source.path}: image {image.id}")
            paths[image.id] = os.path.normpath(os.path.relpath(path, images_dir))
    twice = [path for path, count in collections.Counter(paths.values()).items() if count > 1]
    if twice:
        listed = [number for number, path in paths.items() if path == twice[0]]
        raise ValueError(f"{source.path}: images {listed} have one file, {twice[0]!r}: list a photo once")
    return paths


def _choose_stems(paths: Mapping[int, str]) -> dict[int, str]:
    """Choose how the names of the tiles of each image begin: by its id. No two are the same, in any case.

    That is the path without its ending; with it where two differ in the ending alone.
    """
    stems = {number: os.path.splitext(path)[0] for number, path in paths.items()}
    often = collections.Counter(stem.casefold() for stem in stems.values())
    return {number: stem if often[stem.casefold()] == 1 else paths[number] for number, stem in stems.items()}


@dataclasses.dataclass(frozen=True)
class _Photo:
    """A photo and its objects.

    Attributes:
      picture: upright, as the annotations have it.
      format: `jpeg` or `png`, of its tiles.
      objects: each with its mask and the number of its pixels in the photo.
    """

    picture: Image.Image
    format: str
    objects: list[tuple[coco_annotations.Annotation, mask_windows.Window, int]]


class _Cutter:
    """Cuts photo after photo, and collects the entries of the tiles.

    Attributes:
      images: entries.
      annotations: entries.
      rest: what else the file has.
      counts: `cut`, `regions` and `empty` of a `Summary`.
      changed: of a `Summary`.
    """

    def __init__(
        self,
        source: coco_annotations.CocoJson,
        least_visible: float,
        drop_empty: bool,
        bit_depth: int,
    ) -> None:
        self._bit_depth = bit_depth
        self._source = source
        self._least_visible, self._drop_empty = least_visible, drop_empty
        content = json_text.load(source.path, finite=False)
        self.rest = {"licenses": content["licenses"]} if "licenses" in content else {}
        self.rest["categories"] = content["categories"]
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.changed: collections.Counter[str] = collections.Counter()

    def open(self, image: coco_annotations.Image, path: str) -> _Photo:
        """Read a photo and draw its masks.

        Raises:
          BadImageError: it is no readable image.
          ValueError: an annotation has no mask, or one that cannot be drawn.
        """
        where = f"{self._source.path}: image {image.id}"
        encoded = image_files.read(path, image.height, image.width, where, bit_depth=self._bit_depth)
        self.changed.update(encoded.changes)
        objects = []
        for annotation in self._source.annotations[image.id]:
            name = f"{self._source.path}: annotation {annotation.id}"
            size = encoded.height, encoded.width
            clean, _ = segmentations.clean_segmentation(annotation.segmentation, *size, name)
            window = photo_masks.cut_window(segmentations.rasterize(clean, *size))
            objects.append((annotation, window, int(np.count_nonzero(window.mask))))
        return _Photo(reading.decode(encoded.data), encoded.format, objects)

    def cut(
        self,
        image: coco_annotations.Image,
        stem: str,
        photo: _Photo,
        sides: tuple[int, int],
        overlap: float,
    ) -> Iterator[tuple[str, bytes]]:
        """Cut a photo: yield the file name and the bytes of each tile that is kept."""
        height, width = photo.picture.height, photo.picture.width
        for tile in tiling.divide((height, width), sides, overlap):
            entries = list(self._describe_objects(photo, tile))
            if self._drop_empty and not entries:
                self.counts["empty"] += 1
                continue
            top, left, bottom, right = tile.box.tolist()
            name = f"{stem}_tile_{top}_{left}.{_ENDINGS[photo.format]}"
            place = {"photo": image.file_name, "top": top, "left": left}
            entry = {"id": len(self.images) + 1, "file_name": name.replace(os.sep, "/")}
            self.images.append({**entry, "height": bottom - top, "width": right - left, **place})
            for fields in entries:
                ids = {"id": len(self.annotations) + 1, "image_id": len(self.images)}
                self.annotations.append({**ids, **fields})
            picture = photo.picture.crop((left, top, right, bottom))
            yield name, image_files.encode(picture, photo.format)

    def _describe_objects(self, photo: _Photo, tile: pieces.Tile) -> Iterator[dict[str, Any]]:
        """Yield the fields of what a tile shows of objects, but for the ids of annotation and image."""
        for annotation, window, pixels in photo.objects:
            part = mask_windows.crop(window, tile.box)
            shown = int(np.count_nonzero(part.mask))
            if not shown:
                continue
            is_region = shown < self._least_visible * pixels and not annotation.is_crowd
            self.counts["regions"] += is_region
            self.counts["cut"] += shown < pixels and not is_region and not annotation.is_crowd
            top, left = tile.box[:2].tolist()
            inside = part._replace(top=part.top - top, left=part.left - left)
            (mask,) = photo_masks.draw_windows([inside], *(tile.box[2:] - tile.box[:2]).tolist())
            yield {
                "category_id": annotation.category_id,
                "iscrowd": int(is_region or annotation.is_crowd),
                **segmentations.describe_mask(mask),
                "source_id": annotation.id,
            }
