"""Run lengths of COCO masks, read and written without the C code of pycocotools, which trusts its input."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import photo_masks

Rle = dict[str, Any]
"""{"size": [height, width], "counts": str}: a compressed run-length encoding, as JSON holds it."""

_MAX_CHARACTERS_PER_RUN = 6
_PIXELS_AT_ONCE = 2**22
_DIGIT_BOUNDS = 1 << (5 * np.arange(1, 13) - 1)
"""[12]: numbers from one on need a digit more, for the last digit keeps a bit for the sign."""


def compress(counts: Sequence[int] | NDArray[np.int64]) -> str:
    """Write run lengths in COCO's compressed form, which `decompress` describes.

    Args:
      counts: int [runs], background first.
    """
    return _compress(np.asarray(counts, np.int64), np.array([len(counts)]))[0]


def decompress(text: str | bytes) -> NDArray[np.int64]:
    """Read the run lengths of COCO's compressed form.

    Each run is a number in base 32, lowest digit first; a digit is a character from "0" on, its
    bit 5 says that more digits follow, bit 4 of the last digit is the sign. From the fourth run on
    the number is the difference to the run before the last.

    Args:
      text: the compressed counts.

    Returns:
      int64 [runs], background first; what they sum to, and their signs, are not checked.

    Raises:
      ValueError: a character out of range, an end within a number, or no run at all.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise ValueError("a character does not occur in compressed counts") from error
    digits = np.frombuffer(raw, np.uint8).astype(np.int64) - ord("0")
    if not digits.size:
        raise ValueError("compressed counts are empty")
    if digits.min() < 0 or digits.max() > 63:
        raise ValueError("a character does not occur in compressed counts")
    if digits[-1] & 32:
        raise ValueError("compressed counts end within a number")
    ends = np.flatnonzero((digits & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _MAX_CHARACTERS_PER_RUN:
        raise ValueError("a number in the compressed counts is larger than any image")
    power = np.arange(digits.size) - np.repeat(starts, lengths)  # [digits], 0 at the start of each number
    numbers = np.add.reduceat((digits & 31) << (5 * power), starts)  # [runs]
    numbers -= np.where(digits[ends] & 16, np.int64(1) << (5 * lengths), 0)
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return np.asarray(numbers, dtype=np.int64)


def encode_masks(masks: NDArray[Any]) -> list[Rle]:
    """Encode masks [D, H, W] of bool, or of 0 and 1, to D encodings."""
    return encode_windows(map(photo_masks.cut_window, masks), *masks.shape[1:])


def encode_windows(windows: Iterable[photo_masks.Window], height: int, width: int) -> list[Rle]:
    """Encode masks that are empty outside a part of their image; several at a time, which is faster.

    Args:
      windows: the parts, each in the image.
      height: of the image.
      width: of the image.

    Returns:
      The encodings of the whole masks, as pycocotools writes them.
    """
    codes: list[str] = []
    for group in _group(windows):
        codes += _compress(*_find_runs(group, height, width))
    return [{"size": [height, width], "counts": code} for code in codes]


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """Decode an encoding whose counts are compressed and cover its size to bool [H, W]."""
    return draw_runs(decompress(rle["counts"]), *rle["size"]).astype(np.bool_)


def draw_runs(counts: Sequence[int] | NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
    """Draw run lengths, which alternate from background and run down the columns: uint8 [height, width].

    Not by pycocotools: where Ctrl-C meets its decoder, NumPy turns that into a TypeError.
    """
    inside = (np.arange(len(counts)) % 2).astype(np.uint8)  # [runs]: 0, 1, 0, 1, ...
    # [width * height], a column after the other, then [height, width].
    return np.ascontiguousarray(np.repeat(inside, counts).reshape(width, height).T)


def _group(windows: Iterable[photo_masks.Window]) -> Iterator[list[photo_masks.Window]]:
    """Put windows together until they have many pixels."""
    group: list[photo_masks.Window] = []
    pixels = 0
    for window in windows:
        if group and pixels + window.mask.size > _PIXELS_AT_ONCE:
            yield group
            group, pixels = [], 0
        group.append(window)
        pixels += window.mask.size
    if group:
        yield group


def _find_runs(
    windows: Sequence[photo_masks.Window], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the run lengths of D masks.

    Returns:
      int64 [runs of all masks], one mask after the other; and how many are of each, int64 [D].
    """
    total = height * width
    ends, owner = _find_ends(windows, height, width)
    # A run to the last row goes on in the next column, if that begins with one.
    joined = np.flatnonzero((ends[1:-1:2] == ends[2::2]) & (owner[1:-1:2] == owner[2::2])) * 2 + 1
    ends, owner = (np.delete(values, np.concatenate([joined, joined + 1])) for values in (ends, owner))
    number = np.bincount(owner, minlength=len(windows))
    # Of each mask: 0, begin, end, begin, end, ..., the number of all pixels.
    bounds = np.concatenate([[0], np.cumsum(number + 2)])
    borders = np.zeros(bounds[-1], np.int64)
    borders[bounds[1:] - 1] = total
    borders[np.arange(len(ends)) + 2 * owner + 1] = ends
    counts = np.diff(borders)
    last = bounds[1:] - 2
    is_empty = (counts[last] == 0) & (number > 0)
    # Between two masks there is no run, nor behind an object that reaches the last pixel.
    counts = np.delete(counts, np.concatenate([bounds[1:-1] - 1, last[is_empty]]))
    return counts, number + 1 - is_empty


def _find_ends(
    windows: Sequence[photo_masks.Window], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find where runs begin and end, counted down the columns of the image, and the masks that have them.

    Returns:
      int64 [ends] twice; both ascend, the first within a mask.
    """
    shapes = np.array([part.shape for _, _, part in windows], np.int64)  # [D, 2]
    starts = np.concatenate([[0], np.cumsum((shapes[:, 0] + 1) * shapes[:, 1] * (shapes[:, 0] > 0))])
    # Of each mask [h + 1, w]: whether a pixel differs from the one above it.
    differs = np.empty(starts[-1], np.bool_)
    for (_, _, part), (rows, columns), start in zip(windows, shapes.tolist(), starts.tolist(), strict=False):
        if part.size:
            one = differs[start : start + (rows + 1) * columns].reshape(rows + 1, columns)
            one[0], one[rows] = part[0], part[rows - 1]
            np.not_equal(part[1:], part[:-1], out=one[1:rows])
    at = np.flatnonzero(differs)  # of two dimensions at once NumPy finds them ten times slower
    number = np.diff(np.searchsorted(at, starts))  # [D]
    owner = np.repeat(np.arange(len(windows)), number)
    row, column = np.divmod(at - np.repeat(starts[:-1], number), np.repeat(shapes[:, 1], number))
    corner = np.array([left * height + top for top, left, _ in windows], np.int64)
    # Masks lie one behind the other here, so that one sort brings all into order.
    behind = np.arange(len(windows)) * (height * width + 1)
    ends = np.sort(np.repeat(corner + behind, number) + column * height + row)
    return ends - np.repeat(behind, number), owner


def _compress(counts: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[str]:
    """Write the run lengths of D masks in COCO's compressed form; arguments as `_find_runs` returns them."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    numbers = counts.copy()
    numbers[2:] -= counts[:-2]
    for first in range(3):
        at = starts[:-1][lengths > first] + first
        numbers[at] = counts[at]
    sizes = np.searchsorted(_DIGIT_BOUNDS, np.where(numbers < 0, ~numbers, numbers), side="right") + 1
    places = np.arange(sizes.max(initial=1))
    digits = (numbers[:, np.newaxis] >> (5 * places)) & 31  # [runs, digits], lowest first
    digits += 32 * (places < sizes[:, np.newaxis] - 1) + ord("0")
    text = digits[places < sizes[:, np.newaxis]].astype(np.uint8).tobytes().decode("ascii")
    ends = np.concatenate([[0], np.cumsum(sizes)])[starts].tolist()
    return [text[begin:end] for begin, end in itertools.pairwise(ends)]
