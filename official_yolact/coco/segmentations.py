"""Segmentations of COCO files: checked, drawn and encoded. Nothing of a file reaches pycocotools unchecked.

pycocotools trusts its input: run lengths that do not cover the image make it return uninitialised
memory, and far-away polygon points or long outlines end the process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import spellings
from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths
from official_yolact_runtime import values

Mask = npt.NDArray[np.uint8]
Polygons = list[list[float]]

MAX_PIXELS = 2**30
"""Of an image whose masks are drawn."""

MAX_OVERHANG = 4
"""Polygon points may lie so many image sides away from the image."""

_MIN_POLYGON_NUMBERS = 6


def clean_segmentation(
    segmentation: Any, height: int, width: int, where: str
) -> tuple[Polygons | run_lengths.Rle, int]:
    """Check a segmentation and write it in a form that pycocotools draws.

    Args:
      segmentation: list of polygons [[x1, y1, x2, y2, ...], ...], or a run-length code
        {"size": [height, width], "counts": list of ints or compressed string}, in pixels; also in another
        spelling that `spellings.as_coco` reads.
      height: of the image.
      width: of the image.
      where: begins each error message: file and annotation.

    Returns:
      The segmentation, without polygon parts of fewer than three points, and the number of those
      parts. No part may be left.

    Raises:
      ValueError: the segmentation is missing or is neither; a number is not finite or far outside
        the image; the outline is longer than the image has room for; the run lengths do not cover the
        image; the image has no possible size.
    """
    if not 0 < height * width <= MAX_PIXELS or height < 0:
        raise ValueError(
            f"{where}: image of height {values.shorten(height)} and width {values.shorten(width)}: "
            f"expected 1 to {MAX_PIXELS} px"
        )
    written = spellings.as_coco(segmentation, height, width)
    if isinstance(written, dict):
        return _clean_rle(written, height, width, where), 0
    if isinstance(written, list) and written:
        parts = [_clean_polygon(part, height, width, where) for part in written]
        kept = [part for part in parts if len(part) >= _MIN_POLYGON_NUMBERS]
        return kept, len(parts) - len(kept)
    raise ValueError(
        f"{where}: segmentation is {values.shorten(segmentation)}: instance segmentation needs"
        " polygons or a run-length code; draw the mask or remove the annotation"
    )


def has_mask(segmentation: Any) -> bool:
    """Check whether an annotation has a segmentation at all; some tools write an empty one."""
    return segmentation not in (None, [], {}, [[]], "")


def to_rle(segmentation: Any, height: int, width: int, where: str) -> tuple[run_lengths.Rle, int]:
    """Check a segmentation and encode it.

    Args:
      segmentation: as for `clean_segmentation`.
      height: of the image in pixels.
      width: of the image in pixels.
      where: begins each error message: file and record.

    Returns:
      The encoding, without runs of length 0 but for the first, and the number of polygon parts of fewer
      than three points, which are left out. No part may be left: the mask is then empty.

    Raises:
      ValueError: as `clean_segmentation`.
    """
    cleaned, dropped = clean_segmentation(segmentation, height, width, where)
    size = [height, width]
    if isinstance(cleaned, list) and cleaned:
        counts = coco_mask.merge(coco_mask.frPyObjects(cleaned, height, width))["counts"]
        return {"size": size, "counts": counts.decode("ascii")}, dropped
    counts = cleaned["counts"] if isinstance(cleaned, dict) else [height * width]
    runs = run_lengths.decompress(counts) if isinstance(counts, str) else np.asarray(counts, np.int64)
    if isinstance(counts, list) or (runs[1:] == 0).any():
        return {"size": size, "counts": run_lengths.compress(_join_runs(runs))}, dropped
    return {"size": size, "counts": counts}, dropped


def describe_mask(mask: npt.NDArray[Any], polygons: Any = None) -> dict[str, Any]:
    """Return the fields `segmentation`, `area` and `bbox` of an annotation.

    Args:
      mask: [H, W] of bool, or of 0 and 1.
      polygons: that draw the mask; None: it is encoded.
    """
    return {
        "segmentation": run_lengths.encode_masks(mask[np.newaxis])[0] if polygons is None else polygons,
        "area": int(mask.sum()),
        "bbox": list(tight_box(mask)),
    }


def rasterize(segmentation: Polygons | run_lengths.Rle, height: int, width: int) -> Mask:
    """Draw what `clean_segmentation` returned.

    Args:
      segmentation: checked polygons or run-length code; no polygons give an empty mask.
      height: of the image.
      width: of the image.

    Returns:
      uint8 [height, width], 1 inside, exactly as pycocotools draws it.
    """
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        runs = run_lengths.decompress(counts) if isinstance(counts, str) else counts
        return run_lengths.draw_runs(runs, height, width)
    if not segmentation:
        return np.zeros((height, width), np.uint8)
    parts = coco_mask.frPyObjects(segmentation, height, width)
    return run_lengths.draw_runs(run_lengths.decompress(coco_mask.merge(parts)["counts"]), height, width)


def tight_box(mask: npt.NDArray[Any]) -> coco_annotations.Box:
    """Find the box (x, y, width, height) in pixels of a mask [H, W]; an empty mask has (0, 0, 0, 0)."""
    rows, columns = photo_masks.find_extent(mask)
    x, y, right, bottom = map(float, (columns.start, rows.start, columns.stop, rows.stop))
    return x, y, right - x, bottom - y


def _clean_polygon(part: Any, height: int, width: int, where: str) -> list[float]:
    where = f"{where}: segmentation"
    if not isinstance(part, list) or len(part) % 2:
        raise ValueError(f"{where}: polygon {values.shorten(part)}: give x1, y1, x2, y2, ... in pixels")
    for at, (number, side) in enumerate(zip(part, [width, height] * (len(part) // 2), strict=True)):
        if not values.is_finite(number):
            raise ValueError(f"{where}: number {at} is {values.shorten(number)}: give finite numbers")
        if not -MAX_OVERHANG * side <= number <= (MAX_OVERHANG + 1) * side:
            raise ValueError(
                f"{where}: number {at} is {number}, far outside the image of {height}x{width} pixels"
                " (height x width): coordinates are pixels of the image"
            )
    points = np.asarray(part, np.float64).reshape(-1, 2)
    # pycocotools needs memory in proportion to the outline.
    if np.abs(points - np.roll(points, 1, axis=0)).sum() > 4 * height * width + 64 * (height + width):
        raise ValueError(
            f"{where}: the outline of {len(points)} points is longer than the image has room for"
        )
    return part


def _clean_rle(code: dict[str, Any], height: int, width: int, where: str) -> run_lengths.Rle:
    where = f"{where}: segmentation"
    size, counts = code.get("size"), code.get("counts")
    if not isinstance(size, list) or [values.parse_int(where, "size", side) for side in size] != [
        height,
        width,
    ]:
        raise ValueError(
            f"{where}: size is {values.shorten(size)}, but the image has [{height}, {width}]"
            " (height, width): encode the mask at the size of the image"
        )
    if isinstance(counts, str):
        try:
            runs = run_lengths.decompress(counts)
            total, is_negative = int(runs.sum()), bool((runs < 0).any())
        except ValueError as error:
            raise ValueError(f"{where}: counts is {values.shorten(counts)}: {error}") from error
    elif isinstance(counts, list):
        counts = [values.parse_int(where, "counts", count) for count in counts]
        total, is_negative = sum(counts), any(count < 0 for count in counts)
    else:
        raise ValueError(f"{where}: counts is {values.shorten(counts)}: give a list or a string")
    if is_negative or total != height * width:
        raise ValueError(
            f"{where}: counts {values.shorten(counts)} sum to {total}, but the image has"
            f" {height}x{width} = {height * width} pixels: encode the mask again"
        )
    return {"size": [height, width], "counts": counts}


def _join_runs(runs: npt.NDArray[np.int64]) -> list[int]:
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
