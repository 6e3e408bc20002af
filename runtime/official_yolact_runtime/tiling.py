"""Large photos, searched in tiles that overlap."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import arguments
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import pieces as pieces_lib

OVERLAP = 0.3
LEAST_SIDE = 32
LEAST_OVERLAP, MOST_OVERLAP = 0.1, 0.8
SCORE_THRESHOLD = 0.3

_MAX_IN_TILE = 100

Detections = detections_lib.Detections


class Model(Protocol):
    """What tiles need of a Predictor.

    Attributes:
      runtime: has the (height, width) of the network's input, whose aspect tiles have.
    """

    runtime: Any

    def read(self, source: Any) -> NDArray[np.uint8]:
        """Read a picture."""
        ...

    def stream(
        self, sources: Iterable[Any], score_threshold: float, max_detections: int
    ) -> Iterator[Detections]:
        """Detect in pictures, one after another."""
        ...


def predict_tiled(
    model: Model,
    source: Any,
    tile: int,
    overlap: float = OVERLAP,
    score_threshold: float = SCORE_THRESHOLD,
    max_detections: int | None = None,
    *,
    whole_photo: bool = False,
) -> Detections:
    """Detect in a photo tile by tile, so that the small objects of a large photo are found.

    What the inner edge of a tile cuts is left out where the next tile shows more of it. The pieces of an
    object that no tile shows whole are joined where their masks agree.

    Args:
      model: a Predictor, whose batches are filled with tiles.
      source: path, bytes of a file, or uint8 RGB array [H, W, 3].
      tile: longer side of a tile in pixels, at least 32; it has the aspect of the network's input. A photo
        that fits into one is one tile.
      overlap: part of its height and width that a tile shares with the next one at least, 0.1 to 0.8. An
        object of up to this size is whole in some tile.
      score_threshold: detections whose score or mask score is below it are left out.
      max_detections: the best so many are kept; None: all.
      whole_photo: search the whole photo as well, for objects that are larger than the overlap.

    Returns:
      Detections of the photo, best mask score first.

    Raises:
      OSError: a file cannot be opened.
      TypeError: an argument is of another type.
      ValueError: a file is no picture, or too large; a number is out of its range.
    """
    tile, overlap = check_tile(tile), check_overlap(overlap)
    score_threshold = arguments.check_score_threshold(score_threshold)
    limit = None if max_detections is None else arguments.check_count("max_detections", max_detections)
    image = model.read(source)
    sides = [max(1, round(tile * side / max(model.runtime.input_size))) for side in model.runtime.input_size]
    tiles = divide(image.shape[:2], sides, overlap)
    if len(tiles) == 1:
        return next(iter(model.stream([image], score_threshold, limit or _MAX_IN_TILE)))
    if whole_photo:
        tiles.append(_take_whole(image.shape[:2]))
    parts: list[Detections] = []
    pieces: list[pieces_lib.Piece] = []
    crops = (np.ascontiguousarray(image[box[0] : box[2], box[1] : box[3]]) for box in (t.box for t in tiles))
    for found in model.stream(crops, score_threshold, max(limit or 0, _MAX_IN_TILE)):
        first_row = sum(map(len, parts))
        pieces += _cut_pieces(found, tiles[len(parts)], len(parts), first_row, overlap * min(sides))
        parts.append(dataclasses.replace(found, image=image, masks=np.zeros((len(found), 0, 0), np.bool_)))
    return _assemble(image, parts, pieces_lib.merge(pieces, tiles)[:limit])


def check_tile(value: Any) -> int:
    """Check the side of a tile.

    Raises:
      TypeError: it is no whole number.
      ValueError: it is below 32.
    """
    if arguments.check_count("tile", value) < LEAST_SIDE:
        raise ValueError(f"tile is {value}: expected the side of a tile in pixels, {LEAST_SIDE} or more")
    return int(value)


def check_overlap(value: Any) -> float:
    """Check the part of a tile's side that it shares with the next one.

    Raises:
      TypeError: it is no number.
      ValueError: it is out of its range, or NaN.
    """
    expected = f"expected a part of the tile's side, {LEAST_OVERLAP} to {MOST_OVERLAP}"
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"overlap is {value!r}: {expected}")
    if not LEAST_OVERLAP <= float(value) <= MOST_OVERLAP:
        raise ValueError(f"overlap is {value}: {expected}")
    return float(value)


def divide(size: Sequence[int], tile: Sequence[int], overlap: float) -> list[pieces_lib.Tile]:
    """Divide a photo of (height, width) pixels into tiles of one size, as evenly as whole pixels allow."""
    sides = [min(*pair) for pair in zip(tile, size, strict=True)]
    starts = [_place(length, side, overlap) for length, side in zip(size, sides, strict=True)]
    tiles = []
    for row, top in enumerate(starts[0]):
        for column, left in enumerate(starts[1]):
            box = np.array([top, left, top + sides[0], left + sides[1]])
            at, last = np.array([row, column]), np.array([len(starts[0]), len(starts[1])]) - 1
            inner = np.concatenate([at > 0, at < last])
            before = [starts[axis][max(0, at[axis] - 1)] + sides[axis] for axis in (0, 1)]
            after = [starts[axis][min(last[axis], at[axis] + 1)] for axis in (0, 1)]
            neighbors = np.where(inner, np.array(before + after), box)
            tiles.append(pieces_lib.Tile(box, neighbors, inner))
    return tiles


def _place(length: int, side: int, overlap: float) -> list[int]:
    """Find where tiles begin on one axis."""
    step = max(1, int(side * (1 - overlap)))
    count = -(-(length - side) // step) + 1
    return [int(start) for start in np.rint(np.linspace(0, length - side, count))]


def _take_whole(size: Sequence[int]) -> pieces_lib.Tile:
    box = np.array([0, 0, *size])
    return pieces_lib.Tile(box, box, np.zeros(4, np.bool_))


def _cut_pieces(
    found: Detections, tile: pieces_lib.Tile, index: int, first_row: int, least_side: float
) -> list[pieces_lib.Piece]:
    """Move what a tile shows into the photo, without what has no pixel.

    Args:
      found: detections of the tile.
      tile: the tile; one without an inner edge is the whole photo.
      index: of the tile.
      first_row: of its first detection in the list of all.
      least_side: of an object for which the whole photo is searched, in pixels.
    """
    pieces = []
    for row, (window, box) in enumerate(zip(found.windows, found.boxes.astype(np.float64), strict=True)):
        if not window.mask.any() or (not tile.inner.any() and (box[2:] - box[:2]).max() < least_side):
            continue
        top, left = tile.box[:2].tolist()
        piece = pieces_lib.Piece(
            row=first_row + row,
            number=int(found.classes[row]),
            score=float(found.mask_scores[row]),
            box=box + np.tile(tile.box[:2], 2),
            window=window._replace(top=window.top + top, left=window.left + left, mask=window.mask.copy()),
            tiles=frozenset([index]),
        )
        pieces.append(pieces_lib.judge(piece, tile))
    return pieces


def _assemble(
    image: NDArray[np.uint8], parts: Sequence[Detections], pieces: Sequence[pieces_lib.Piece]
) -> Detections:
    """Make the detections of the photo from those of the tiles, whose masks are in the pieces."""
    rows = [piece.row for piece in pieces]
    names = [name for part in parts for name in part.names]

    def collect(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])[rows]

    masks: Any = detections_lib.Undrawn([piece.window for piece in pieces])
    return Detections(
        image=image,
        boxes=np.array([piece.box for piece in pieces], np.float32).reshape(-1, 4),
        scores=collect("scores"),
        mask_scores=collect("mask_scores"),
        classes=collect("classes"),
        category_ids=collect("category_ids"),
        names=[names[row] for row in rows],
        masks=masks,
    )
