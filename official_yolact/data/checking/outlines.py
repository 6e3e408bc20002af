"""All segmentations of a file in flat arrays: what form they have, where they lie, how large they are.

No mask is drawn and no C code is called here: polygons are measured by their points, run-length codes
by their runs. So any number and any type may come.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.coco import polygons
from official_yolact.coco import spellings
from official_yolact.data.checking import columns
from official_yolact_runtime import run_lengths

NONE = 0
POLYGON = 1
RLE = 2
MALFORMED = 3

MIN_NUMBERS = 6
MAX_CODE_PIXELS = 2**31
"""Run-length codes that claim a larger size are taken for damaged."""

_CHUNK = 16384


@dataclasses.dataclass(frozen=True)
class Outlines:
    """Segmentations of N annotations.

    Attributes:
      kind: uint8 [N]: `NONE`, `POLYGON`, `RLE`, `MALFORMED` (neither a list nor an object).
      flat: bool [N] a polygon whose numbers are not in a list of their own.
      pairs: bool [N] polygons of points in place of numbers or in further lists, or a run-length code in a
        list or without size; they are measured all the same.
      bad_parts: int32 [N] polygons with something that is no number, or an odd count of numbers.
      short_parts: int32 [N] polygons of fewer than three points.
      nonfinite: bool [N] a number is NaN or infinite.
      box: float64 [N, 4] x0, y0, x1, y1 in pixels of the parts that are polygons, or of the pixels of
        a run-length code; NaN without.
      area: float64 [N] square pixels, of polygons by their points.
      outline: float64 [N] the longest |dx| + |dy| around a polygon.
      size: int64 [N, 2] height and width of a run-length code, -1 without.
      bad_counts: bool [N] run lengths that cannot be read, are negative, or do not sum to their size.
      cast: bool [N] numbers that are written as text, or whole ones of a run-length code as fractions.
    """

    kind: NDArray[np.uint8]
    flat: NDArray[np.bool_]
    pairs: NDArray[np.bool_]
    bad_parts: NDArray[np.int32]
    short_parts: NDArray[np.int32]
    nonfinite: NDArray[np.bool_]
    box: NDArray[np.float64]
    area: NDArray[np.float64]
    outline: NDArray[np.float64]
    size: NDArray[np.int64]
    bad_counts: NDArray[np.bool_]
    cast: NDArray[np.bool_]


def measure(segmentations: Sequence[Any], canvas: columns.Floats | None = None) -> Outlines:
    """Measure segmentations as the JSON holds them.

    Args:
      segmentations: anything; None stands for a field that is absent.
      canvas: [N, 2] height and width of their images, NaN or None where they are not known.

    Returns:
      Their measures.
    """
    n = len(segmentations)
    result = Outlines(
        kind=np.zeros(n, np.uint8),
        flat=np.zeros(n, np.bool_),
        pairs=np.zeros(n, np.bool_),
        bad_parts=np.zeros(n, np.int32),
        short_parts=np.zeros(n, np.int32),
        nonfinite=np.zeros(n, np.bool_),
        box=np.full((n, 4), np.nan),
        area=np.zeros(n),
        outline=np.zeros(n),
        size=np.full((n, 2), -1, np.int64),
        bad_counts=np.zeros(n, np.bool_),
        cast=np.zeros(n, np.bool_),
    )
    for start in range(0, n, _CHUNK):
        parts, owners = _collect(segmentations, range(start, min(start + _CHUNK, n)), canvas, result)
        _measure_parts(parts, np.asarray(owners, np.int64), result)
    return result


def is_part(part: Any) -> bool:
    """Tell whether a polygon is a list of an even count of numbers, finite or not."""
    return type(part) is list and len(part) % 2 == 0 and {int, float}.issuperset(map(type, part))


def _collect(
    segmentations: Sequence[Any], at: range, canvas: columns.Floats | None, result: Outlines
) -> tuple[list[Any], list[int]]:
    """Sort by form; measure run-length codes, hand out the polygons with their annotations."""
    parts: list[Any] = []
    owners: list[int] = []
    for i in at:
        value = segmentations[i]
        if type(value) is dict or spellings.is_wrapped_code(value):
            result.kind[i] = RLE
            _measure_code(value, i, canvas, result)
        elif type(value) is list:
            if not any(value) and all(part == [] for part in value):
                continue
            result.kind[i] = POLYGON
            parts_of = value if _is_usual(value) else _read_polygons(value, i, result)
            parts += parts_of
            owners += [i] * len(parts_of)
        elif value is not None:
            result.kind[i] = MALFORMED
    return parts, owners


def _read_polygons(value: list[Any], at: int, result: Outlines) -> list[Any]:
    """Give the polygons in COCO's form, and note in which other they are."""
    listed = polygons.flatten(value)
    read: list[Any] = polygons.read_numbers(listed)
    result.flat[at] = not any(type(part) in (list, dict) for part in value)
    result.pairs[at] = listed != value and not result.flat[at]
    result.cast[at] = read != listed
    return read


def _measure_parts(parts: list[Any], owners: NDArray[np.int64], result: Outlines) -> None:
    usual = set(map(type, parts)) <= {list}
    if usual:
        lengths = np.fromiter(map(len, parts), np.int64, len(parts))
        usual = not (lengths % 2).any() and set(map(type, itertools.chain.from_iterable(parts))) <= {
            int,
            float,
        }
    if not usual:
        good = np.array([is_part(part) for part in parts], np.bool_)
        np.add.at(result.bad_parts, owners[~good], 1)
        parts = [part for part, is_good in zip(parts, good, strict=True) if is_good]
        owners = owners[good]
        lengths = np.fromiter(map(len, parts), np.int64, len(parts))
    long = lengths >= MIN_NUMBERS
    if not long.all():
        np.add.at(result.short_parts, owners[~long], 1)
        parts = [part for part, is_long in zip(parts, long, strict=True) if is_long]
        owners, lengths = owners[long], lengths[long]
    if parts:
        numbers = columns.as_floats(list(itertools.chain.from_iterable(parts)))
        _measure_points(numbers[0::2], numbers[1::2], lengths // 2, owners, result)


def _measure_points(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    points: NDArray[np.int64],
    owners: NDArray[np.int64],
    result: Outlines,
) -> None:
    starts = np.cumsum(points) - points
    after = np.arange(1, x.size + 1)
    after[starts + points - 1] = starts
    finite = np.logical_and.reduceat(np.isfinite(x) & np.isfinite(y), starts)
    result.nonfinite[owners[~finite]] = True
    with np.errstate(invalid="ignore", over="ignore"):
        # Seen from a point of its own a polygon far away keeps its digits.
        own_x, own_y = x - np.repeat(x[starts], points), y - np.repeat(y[starts], points)
        area = np.abs(np.add.reduceat(own_x * own_y[after] - own_x[after] * own_y, starts)) / 2
        outline = np.add.reduceat(np.abs(x - x[after]) + np.abs(y - y[after]), starts)
    corners = [np.minimum.reduceat(x, starts), np.minimum.reduceat(y, starts)]
    corners += [np.maximum.reduceat(x, starts), np.maximum.reduceat(y, starts)]
    owner, first = np.unique(owners[finite], return_index=True)
    if owner.size:
        for column, (values, merge) in enumerate(
            zip(corners, [np.minimum] * 2 + [np.maximum] * 2, strict=True)
        ):
            result.box[owner, column] = merge.reduceat(values[finite], first)
        result.area[owner] = np.add.reduceat(area[finite], first)
        result.outline[owner] = np.maximum.reduceat(outline[finite], first)


def _measure_code(value: Any, at: int, canvas: columns.Floats | None, result: Outlines) -> None:
    known = canvas is not None and not np.isnan(canvas[at]).any()
    code = spellings.as_coco(value, *(map(int, canvas[at]) if canvas is not None and known else ()))
    written = value if type(value) is dict else value[0]
    size, counts = code.get("size"), code.get("counts")
    has_size = written.get("size") is not None
    result.pairs[at] = written is not value or (size is not None and not has_size)
    result.cast[at] = _is_cast(size, written.get("size")) and has_size
    result.cast[at] |= _is_cast(counts, written.get("counts"))
    if type(size) is list and len(size) == 2 and all(type(side) is int for side in size):
        height, width = size
        if 0 < height < MAX_CODE_PIXELS and 0 < width < MAX_CODE_PIXELS:
            result.size[at] = height, width
    height, width = (int(side) for side in result.size[at])
    runs = _read_runs(counts)
    if runs is None or (height > 0 and int(runs.sum()) != height * width):
        result.bad_counts[at] = True
        return
    if height < 0:
        return
    ends = np.cumsum(runs)
    first, last = ends[0::2][: runs.size // 2], ends[1::2] - 1
    drawn = last >= first
    if not drawn.any():
        return
    first, last = first[drawn], last[drawn]
    result.area[at] = float((last - first + 1).sum())
    whole = (first // height != last // height).any()
    top, bottom = (0, height - 1) if whole else ((first % height).min(), (last % height).max())
    result.box[at] = first[0] // height, top, last[-1] // height + 1, bottom + 1


def _is_usual(value: list[Any]) -> bool:
    """Tell that every part is a flat list of numbers, and no point itself."""
    numbers = {int, float}
    return all(type(part) is list and len(part) > 2 and numbers.issuperset(map(type, part)) for part in value)


def _is_cast(read: Any, written: Any) -> bool:
    return type(read) is list and read is not written


def _read_runs(counts: Any) -> NDArray[np.int64] | None:
    """Read run lengths; None where they are damaged."""
    if isinstance(counts, str):
        try:
            runs = run_lengths.decompress(counts)
        except ValueError:
            return None
    elif type(counts) is list and counts and set(map(type, counts)) <= {int}:
        if max(counts) > MAX_CODE_PIXELS or min(counts) < 0:
            return None
        runs = np.asarray(counts, np.int64)
    else:
        return None
    return None if runs.min() < 0 or runs.max() > MAX_CODE_PIXELS else runs
