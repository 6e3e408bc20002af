"""Pictures of what a COCO file stores: photos with their annotations, before any training step."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import segmentations
from official_yolact.drawing import sheets
from official_yolact.images import image_files
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import drawing
from official_yolact_runtime import run_lengths

MIN_SIDE = 384
"""Smaller photos are enlarged by a whole factor to about this."""

MAX_PIXELS = 12_582_912
"""Photos of more pixels are drawn reduced to about this, 4096x3072: no screen shows more."""

_STRIPES = 40
"""Stripes of a crowd's hatching along the photo's shorter side."""


_MAX_LABELS = 500
"""More labels would hide the photo, and to find room for them would take hours."""

_logger = logging.getLogger(__name__)


class _Masks(Sequence[NDArray[np.bool_]]):
    """Masks of a photo as run lengths, which take no more memory than in their file; one whole at a time."""

    def __init__(self, height: int, width: int) -> None:
        self._size = (height, width)
        self._held: list[tuple[int, int, run_lengths.Rle]] = []

    def append(self, mask: NDArray[np.bool_]) -> None:
        """Keep a mask, bool [H, W]."""
        left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
        part = mask[top : top + max(1, height), left : left + max(1, width)]
        self._held.append((top, left, run_lengths.encode_masks(part[np.newaxis])[0]))

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.bool_]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.bool_]]: ...

    def __getitem__(self, index: int | slice) -> NDArray[np.bool_] | Sequence[NDArray[np.bool_]]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        top, left, rle = self._held[index]
        part = run_lengths.decode_mask(rle)
        mask = np.zeros(self._size, np.bool_)
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        return mask


class StoredPicture(NamedTuple):
    """A drawn photo.

    Attributes:
      picture: uint8 RGB.
      problems: annotations without a usable mask, which have their box only, or nothing.
    """

    picture: drawing.Picture
    problems: list[str]


def draw_stored(
    source: coco_annotations.CocoJson, image: coco_annotations.Image, images_dir: str
) -> StoredPicture:
    """Draw a photo with its annotations as the file has them.

    Masks are tinted, crowds hatched and named as such. What has no usable mask keeps its box, with
    `no mask` behind its name.

    Args:
      source: the annotations.
      image: one of its images.
      images_dir: folder of the files.

    Returns:
      The picture, at the size of the upright photo or a multiple of it; of a photo of more than
      `MAX_PIXELS`, reduced to them.

    Raises:
      ValueError: the file is missing, no image, or of another size than the annotations state.
    """
    where = f"{source.path}: image {image.id}"
    path = image_files.locate(image, images_dir, where)
    encoded = image_files.read(path, image.height, image.width, where)
    # The bytes are upright already; OpenCV would turn what a stated size keeps as it is stored.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    photo = cv2.imdecode(np.frombuffer(encoded.data, np.uint8), flags)
    if photo is None:
        raise ValueError(f"{where}: {path} cannot be decoded: replace the file or remove the image")
    stored = photo.shape[:2]
    photo = sheets.shrink(photo, _choose_side(*stored))
    return _draw(photo[..., ::-1], stored, source.annotations[image.id], source.categories, source.path)


def _choose_side(height: int, width: int) -> int:
    """Give the longer side of the picture of a photo."""
    share = min(1.0, MAX_PIXELS / (height * width))
    return round(max(height, width) * math.sqrt(share))


def _draw(
    photo: drawing.Picture,
    stored: tuple[int, int],
    annotations: Sequence[coco_annotations.Annotation],
    categories: categories_lib.Categories,
    path: str,
) -> StoredPicture:
    """Draw on a photo, perhaps reduced, what was annotated on one of the stored height and width."""
    height, width = photo.shape[:2]
    scale = (height / stored[0], width / stored[1])
    class_of = categories.class_of()
    hatching = _hatch(height, width)
    boxes, classes, names, problems = [], [], [], []
    masks = _Masks(height, width)
    for annotation in annotations:
        number = class_of[annotation.category_id]
        name = categories.names[number - 1]
        mask, problem = _read_mask(annotation, *stored, path)
        mask = _reduce(mask, height, width)
        if problem:
            problems.append(problem)
            name += " (no mask)"
        if annotation.is_crowd:
            mask = mask & hatching
            name += " (crowd)"
        box = annotation.box
        x, y, w, h = box or segmentations.tight_box(mask.astype(np.uint8))
        down, across = scale if box else (1.0, 1.0)
        boxes.append((y * down, x * across, (y + h) * down, (x + w) * across))
        masks.append(mask)
        classes.append(number)
        names.append(name)
    if len(names) > _MAX_LABELS:
        _logger.warning("%s: a photo has %d annotations: none is labelled in its picture", path, len(names))
        names = [""] * len(names)
    picture = drawing.draw_instances(
        np.ascontiguousarray(photo),
        np.asarray(boxes, np.float64).reshape(-1, 4),
        classes,
        names,
        masks=masks,
        zoom=max(1, round(MIN_SIDE / min(height, width))),
    )
    return StoredPicture(picture, problems)


def _read_mask(
    annotation: coco_annotations.Annotation, height: int, width: int, path: str
) -> tuple[NDArray[np.bool_], str]:
    where = f"{path}: annotation {annotation.id}"
    try:
        cleaned, _ = segmentations.clean_segmentation(annotation.segmentation, height, width, where)
    except ValueError as error:
        return np.zeros((height, width), np.bool_), str(error)
    mask = segmentations.rasterize(cleaned, height, width).astype(np.bool_)
    return mask, "" if mask.any() else f"{where}: segmentation is empty on the image"


def _reduce(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Bring a mask to the size of the picture; one that would vanish keeps every pixel that it touches."""
    if mask.shape == (height, width):
        return mask
    levels = np.ascontiguousarray(mask).view(np.uint8) * np.uint8(255)
    # No photo that may be read is more than twice as high: linear interpolation leaves no pixel out.
    soft = cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR)
    half = soft >= 128
    return np.asarray(half if half.any() else soft > 0, np.bool_)


def _hatch(height: int, width: int) -> NDArray[np.bool_]:
    step = max(2, min(height, width) // _STRIPES)
    rows, columns = np.ogrid[:height, :width]
    return np.asarray((rows + columns) // step % 2 == 0, np.bool_)
