"""Run lengths of COCO masks, read and written without the C code of pycocotools, which trusts its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rle = dict[str, Any]
"""{"size": [height, width], "counts": str}: a compressed run-length encoding, as JSON holds it."""

_MAX_CHARACTERS_PER_RUN = 6
_DIGIT_BOUNDS = 1 << (5 * np.arange(1, 13) - 1)
"""[12]: numbers from one on need a digit more, for the last digit keeps a bit for the sign."""


def compress(counts: Sequence[int] | NDArray[np.int64]) -> str:
    """Write run lengths in COCO's compressed form, which `decompress` describes.

    Args:
      counts: int [runs], background first.
    """
    numbers = np.array(counts, np.int64)
    numbers[3:] -= np.asarray(counts, np.int64)[1:-2]
    sizes = np.searchsorted(_DIGIT_BOUNDS, np.where(numbers < 0, ~numbers, numbers), side="right") + 1
    places = np.arange(sizes.max(initial=1))
    digits = (numbers[:, np.newaxis] >> (5 * places)) & 31  # [runs, digits], lowest first
    digits += 32 * (places < sizes[:, np.newaxis] - 1) + ord("0")
    return bytes(digits[places < sizes[:, np.newaxis]].astype(np.uint8)).decode("ascii")


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
    return [_encode_mask(mask) for mask in masks]


def encode_window(part: NDArray[np.bool_], top: int, left: int, height: int, width: int) -> Rle:
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
    return {"size": [height, width], "counts": compress(counts)}


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


def find_extent(mask: NDArray[Any]) -> tuple[slice, slice]:
    """Find the rows and columns from the first to the last pixel of a mask [H, W]."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _encode_mask(mask: NDArray[Any]) -> Rle:
    """Encode a mask [H, W]; most of an image is background, which is left out first."""
    rows, columns = find_extent(mask)
    part = mask[rows, columns].astype(np.bool_, copy=False)
    return encode_window(part, rows.start, columns.start, *mask.shape)
