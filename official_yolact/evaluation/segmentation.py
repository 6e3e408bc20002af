"""Segmentations of COCO files: checked before they reach the C code of pycocotools.

That code trusts its input: run lengths that do not add up give uninitialised memory, and wild
coordinates end the process. So nothing from a file goes there unchecked.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from official_yolact.coco import polygons
from official_yolact.coco import run_lengths

Rle = dict[str, Any]
"""{"size": [height, width], "counts": str}: a compressed run-length encoding, as JSON holds it."""

MAX_PIXELS = 2**30
_COORDINATE_LIMIT = 4


def encode_masks(masks: NDArray[np.bool_]) -> list[Rle]:
    """Encode masks.

    Args:
      masks: bool [D, H, W].

    Returns:
      D encodings.
    """
    return [_to_text(coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))) for mask in masks]


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """Decode what `to_rle` or `encode_masks` gave to bool [H, W]."""
    return np.asarray(coco_mask.decode(rle), dtype=np.bool_)


def to_rle(segmentation: Any, height: int, width: int, where: str) -> Rle:
    """Check a segmentation of a COCO file and give it as a compressed encoding.

    Args:
      segmentation: a list of polygons [x0, y0, x1, y1, ...] or of points [x, y] in pixels, or an encoding
        with `size` and `counts`, compressed or not.
      height: height of the image in pixels.
      width: width of the image in pixels.
      where: what the error names: file and record.

    Returns:
      The encoding, without runs of length 0 but for the first.

    Raises:
      ValueError: the segmentation is malformed or does not fit the image.
    """
    if not 0 < height * width <= MAX_PIXELS or height < 0:
        raise ValueError(
            f"{where}: image of height {reprlib.repr(height)} and width {reprlib.repr(width)}: "
            f"expected 1 to {MAX_PIXELS} px"
        )
    if isinstance(segmentation, dict):
        return _check_rle(segmentation, height, width, where)
    if isinstance(segmentation, list) and segmentation:
        return _draw_polygons(polygons.flatten(segmentation), height, width, where)
    raise ValueError(
        f"{where}: segmentation is {_short(segmentation)}: "
        "expected a list of polygons, or an object with size and counts"
    )


def _draw_polygons(parts: list[Any], height: int, width: int, where: str) -> Rle:
    limit = _COORDINATE_LIMIT * max(height, width)
    for index, polygon in enumerate(parts):
        name = f"{where}: segmentation[{index}]"
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"{name} is {_short(polygon)}: expected x, y of at least 3 points")
        for value in polygon:
            if not is_number(value) or abs(value) > limit:
                raise ValueError(
                    f"{name} has the coordinate {reprlib.repr(value)}: expected numbers within ±{limit} px"
                )
    return _to_text(coco_mask.merge(coco_mask.frPyObjects(parts, height, width)))


def _check_rle(rle: dict[str, Any], height: int, width: int, where: str) -> Rle:
    size = rle.get("size")
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise ValueError(
            f"{where}: segmentation.size is {_short(size)}: the image is [{height}, {width}] (height, width)"
        )
    counts = rle.get("counts")
    if isinstance(counts, str | bytes):
        try:
            runs = run_lengths.decompress(counts)
        except ValueError as error:
            raise ValueError(
                f"{where}: segmentation.counts is {_short(counts)}: "
                f"not a compressed run-length encoding: {error}"
            ) from error
    elif isinstance(counts, list) and counts and all(_is_run(run, height * width) for run in counts):
        runs = np.asarray(counts, dtype=np.int64)
    else:
        raise ValueError(f"{where}: segmentation.counts is {_short(counts)}: expected run lengths")
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(
            f"{where}: segmentation.counts {_short(counts)} has runs that add up to {int(runs.sum())}: "
            f"expected {height} * {width} = {height * width}, none negative"
        )
    if isinstance(counts, list) or (runs[1:] == 0).any():
        return _to_text(
            coco_mask.frPyObjects({"size": [height, width], "counts": _join_runs(runs)}, height, width)
        )
    return {"size": [height, width], "counts": counts if isinstance(counts, str) else counts.decode("ascii")}


def _join_runs(runs: NDArray[np.int64]) -> list[int]:
    """Remove runs of length 0: pycocotools stops at one when it intersects masks."""
    joined = [int(runs[0])]
    value = 0
    for index, run in enumerate(runs.tolist()[1:], start=1):
        if run and index % 2 == value:
            joined[-1] += run
        elif run:
            joined.append(run)
            value = index % 2
    return joined


def is_number(value: Any) -> bool:
    """Tell whether a JSON value is a finite number."""
    largest = sys.float_info.max  # a JSON file may have larger integers, which no float holds
    return isinstance(value, int | float) and not isinstance(value, bool) and -largest <= value <= largest


def check_box(box: Any, where: str) -> list[float]:
    """Check a bbox [x, y, width, height] of a COCO file.

    Raises:
      ValueError: not four finite numbers, or a negative size.
    """
    if (
        not isinstance(box, Sequence)
        or isinstance(box, str)
        or len(box) != 4
        or not all(is_number(value) for value in box)
        or min(box[2:]) < 0
    ):
        raise ValueError(f"{where}: bbox is {_short(box)}: expected x, y, width, height in pixels")
    return list(box)


def _is_run(run: Any, limit: int) -> bool:
    return isinstance(run, int) and not isinstance(run, bool) and 0 <= run <= limit


def _to_text(rle: dict[str, Any]) -> Rle:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
