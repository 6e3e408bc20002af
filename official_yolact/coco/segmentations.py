"""Segmentations of COCO files: checked, drawn and encoded. Nothing of a file reaches pycocotools unchecked.

pycocotools trusts its input: run lengths that do not cover the image make it return uninitialised
memory, and far-away polygon points or long outlines end the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from official_yolact import values
from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import run_lengths
from official_yolact.coco import spellings

Mask = npt.NDArray[np.uint8]
Polygons = list[list[float]]
Rle = dict[str, Any]
"""{"size": [height, width], "counts": str}: a compressed run-length encoding, as JSON holds it."""

MAX_PIXELS = 2**30
"""Of an image whose masks are drawn."""

MAX_OVERHANG = 4
"""Polygon points may lie so many image sides away from the image."""

_MIN_POLYGON_NUMBERS = 6


def clean_segmentation(segmentation: Any, height: int, width: int, where: str) -> tuple[Polygons | Rle, int]:
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


def to_rle(segmentation: Any, height: int, width: int, where: str) -> tuple[Rle, int]:
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
        return _to_text(coco_mask.merge(coco_mask.frPyObjects(cleaned, height, width))), dropped
    counts = cleaned["counts"] if isinstance(cleaned, dict) else [height * width]
    runs = run_lengths.decompress(counts) if isinstance(counts, str) else np.asarray(counts, np.int64)
    if isinstance(counts, list) or (runs[1:] == 0).any():
        joined = {"size": size, "counts": _join_runs(runs)}
        return _to_text(coco_mask.frPyObjects(joined, height, width)), dropped
    return {"size": size, "counts": counts}, dropped


def encode_masks(masks: npt.NDArray[Any]) -> list[Rle]:
    """Encode masks [D, H, W] of bool, or of 0 and 1, to D encodings."""
    return [_encode_mask(mask) for mask in masks]


def encode_window(part: npt.NDArray[np.bool_], top: int, left: int, height: int, width: int) -> Rle:
    """Encode a mask that is empty outside a part of its image.

    Args:
      part: bool [h, w], the part, which lies in the image.
      top: row of the image in which the part begins.
      left: column likewise.
      height: of the image.
      width: of the image.

    Returns:
      The encoding of the whole mask, as pycocotools writes it.
    """
    background = np.zeros((1, part.shape[1]), np.bool_)
    framed = np.concatenate([background, part, background])
    # [2 * runs] each; of two dimensions at once NumPy finds them ten times slower.
    row, column = np.divmod(np.flatnonzero(framed[1:] != framed[:-1]), max(1, part.shape[1]))
    # Begin, end, begin, end, ..., counted down the columns of the image.
    ends = np.sort((left + column) * height + top + row)
    # A run to the last row goes on in the next column, if that begins with one.
    joined = np.flatnonzero(ends[1:-1:2] == ends[2::2]) * 2 + 1
    ends = np.delete(ends, np.concatenate([joined, joined + 1]))
    counts = np.diff(ends, prepend=0, append=height * width)
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return _to_text(
        coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    )


def describe_mask(mask: npt.NDArray[Any], polygons: Any = None) -> dict[str, Any]:
    """Return the fields `segmentation`, `area` and `bbox` of an annotation.

    Args:
      mask: [H, W] of bool, or of 0 and 1.
      polygons: that draw the mask; None: it is encoded.
    """
    return {
        "segmentation": encode_masks(mask[np.newaxis])[0] if polygons is None else polygons,
        "area": int(mask.sum()),
        "bbox": list(tight_box(mask)),
    }


def decode_mask(rle: Rle) -> npt.NDArray[np.bool_]:
    """Decode what `to_rle` or `encode_masks` returned to bool [H, W]."""
    return _draw(rle).astype(np.bool_)


def rasterize(segmentation: Polygons | Rle, height: int, width: int) -> Mask:
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
        return _draw(segmentation) if isinstance(counts, str) else _draw_runs(counts, height, width)
    if not segmentation:
        return np.zeros((height, width), np.uint8)
    parts = coco_mask.frPyObjects(segmentation, height, width)
    return _draw(coco_mask.merge(parts))


def _encode_mask(mask: npt.NDArray[Any]) -> Rle:
    """Encode a mask [H, W]; most of an image is background, which is left out first."""
    rows, columns = _find_extent(mask)
    part = mask[rows, columns].astype(np.bool_, copy=False)
    return encode_window(part, rows.start, columns.start, *mask.shape)


def _find_extent(mask: npt.NDArray[Any]) -> tuple[slice, slice]:
    """Find the rows and columns from the first to the last pixel of a mask [H, W]."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _draw(rle: dict[str, Any]) -> Mask:
    """Decode a compressed encoding to uint8 [height, width].

    Not by pycocotools: where Ctrl-C meets its decoder, NumPy turns that into a TypeError.
    """
    return _draw_runs(run_lengths.decompress(rle["counts"]), *rle["size"])


def _draw_runs(counts: Sequence[int] | npt.NDArray[np.int64], height: int, width: int) -> Mask:
    """Draw run lengths, which alternate from background and run down the columns: uint8 [height, width]."""
    inside = (np.arange(len(counts)) % 2).astype(np.uint8)  # [runs]: 0, 1, 0, 1, ...
    # [width * height], a column after the other, then [height, width].
    return np.ascontiguousarray(np.repeat(inside, counts).reshape(width, height).T)


def tight_box(mask: npt.NDArray[Any]) -> coco_annotations.Box:
    """Find the box (x, y, width, height) in pixels of a mask [H, W]; an empty mask has (0, 0, 0, 0)."""
    rows, columns = _find_extent(mask)
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


def _clean_rle(code: dict[str, Any], height: int, width: int, where: str) -> Rle:
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
            runs = run_lengths.decompress(counts).tolist()
        except ValueError as error:
            raise ValueError(f"{where}: counts is {values.shorten(counts)}: {error}") from error
    elif isinstance(counts, list):
        runs = counts = [values.parse_int(where, "counts", count) for count in counts]
    else:
        raise ValueError(f"{where}: counts is {values.shorten(counts)}: give a list or a string")
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(
            f"{where}: counts {values.shorten(counts)} sum to {sum(runs)}, but the image has"
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


def _to_text(rle: dict[str, Any]) -> Rle:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}
