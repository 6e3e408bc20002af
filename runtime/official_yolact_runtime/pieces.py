"""What the tiles of a photo show of its objects, put together to the objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import mask_windows

MARGIN = 0.02
"""Part of a tile's side: what ends nearer to an inner edge may be cut by it, for boxes are not exact."""

_SAME, _WITHIN, _AGREEING = 0.5, 0.7, 0.5
"""Of two masks: the intersection over the union of one object's, and over the smaller of an object's and its
piece's; the intersection over the union of two pieces' of one object, in the pixels that both tiles show."""

_MISTAKEN = 0.7
"""The intersection over the union of two masks of which one tile takes the object for another class."""

Ints = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Tile:
    """A part of a photo, in its pixels.

    Attributes:
      box: int64 [4], yxyx.
      neighbors: int64 [4]: where the next tile above and to the left ends, and where the next one below and
        to the right begins; the edge itself where there is none.
      inner: bool [4]: its top, left, bottom, right is not an edge of the photo.
    """

    box: Ints
    neighbors: Ints
    inner: NDArray[np.bool_]

    @property
    def margin(self) -> float:
        """Pixels from an edge within which it may have cut an object."""
        return max(1.0, MARGIN * float((self.box[2:] - self.box[:2]).max()))


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """What one tile, or several, show of an object, in pixels of the photo.

    Attributes:
      row: of the detection in the list of all; of several the best one.
      number: class, from 1.
      score: ranks it.
      box: float64 [4], yxyx.
      window: its mask.
      tiles: where it was found.
      is_cut: it goes on beyond the tile.
      is_better_beside: the next tile shows more of it.
    """

    row: int
    number: int
    score: float
    box: NDArray[np.float64]
    window: mask_windows.Window
    tiles: frozenset[int]
    is_cut: bool = False
    is_better_beside: bool = False


def judge(piece: Piece, tile: Tile) -> Piece:
    """Find out whether an edge cuts what a tile shows, and whether the neighbour there shows more of it."""
    ends, edges = piece.box * _OUTWARD, tile.box * _OUTWARD  # [4], growing outward
    cut = tile.inner & (ends >= edges - tile.margin)
    # The other end, seen from each edge, and where the neighbour beyond that edge begins.
    starts, begins = piece.box[_OPPOSITE] * _OUTWARD, tile.neighbors * _OUTWARD
    better = cut & (starts > begins + tile.margin)  # there it is not cut on this side
    return dataclasses.replace(piece, is_cut=bool(cut.any()), is_better_beside=bool(better.any()))


def merge(pieces: Sequence[Piece], tiles: Sequence[Tile]) -> list[Piece]:
    """Join the pieces of objects that no tile shows whole, and leave out what was found more than once.

    Args:
      pieces: of all tiles, as `judge` returns them.
      tiles: the tiles, by the indices that pieces have.

    Returns:
      One for each object, best score first.
    """
    whole = [piece for piece in pieces if not piece.is_cut]
    # Where several were found, a cut one cannot win against a whole one.
    joined = _join([piece for piece in pieces if piece.is_cut and not piece.is_better_beside], tiles)
    joined = [piece for piece in joined if not piece.is_cut or _is_seen_beside(piece, pieces)]
    ranked = sorted([*whole, *joined], key=lambda piece: (piece.is_cut, -piece.score, piece.row))
    boxes, kept = _stack_boxes(ranked), np.zeros(len(ranked), np.bool_)
    for at, piece in enumerate(ranked):
        better = np.flatnonzero(kept[:at] & _touch(boxes[:at], piece)).tolist()
        kept[at] = not any(_is_again(piece, ranked[other]) for other in better)
    left = [ranked[at] for at in np.flatnonzero(kept)]
    return sorted(left, key=lambda piece: (-piece.score, piece.row))


_OUTWARD = np.array([-1, -1, 1, 1])
_OPPOSITE = [2, 3, 0, 1]


def _join(pieces: Sequence[Piece], tiles: Sequence[Tile]) -> list[Piece]:
    """Join pieces of one class whose masks agree in the pixels that both of their tiles show."""
    boxes, group_of = _stack_boxes(pieces), np.arange(len(pieces))
    for at, piece in enumerate(pieces):
        for other in np.flatnonzero(_touch(boxes[:at], piece)).tolist():
            if group_of[at] != group_of[other] and _agree(piece, pieces[other], tiles):
                group_of[group_of == group_of[at]] = group_of[other]
    groups: dict[int, list[Piece]] = {}
    for piece, group in zip(pieces, group_of.tolist(), strict=True):
        groups.setdefault(group, []).append(piece)
    return [_unite(group) if len(group) > 1 else group[0] for group in groups.values()]


def _unite(pieces: Sequence[Piece]) -> Piece:
    best = max(pieces, key=lambda piece: (piece.score, -piece.row))
    boxes = _stack_boxes(pieces)
    return dataclasses.replace(
        best,
        box=np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]),
        window=mask_windows.unite([piece.window for piece in pieces]),
        tiles=frozenset[int]().union(*(piece.tiles for piece in pieces)),
        is_cut=False,
    )


def _stack_boxes(pieces: Sequence[Piece]) -> NDArray[np.float64]:
    """Give the boxes of pieces as one array [N, 4]."""
    return np.array([piece.box for piece in pieces], np.float64).reshape(-1, 4)


def _touch(boxes: NDArray[np.float64], piece: Piece) -> NDArray[np.bool_]:
    """Find the boxes [N, 4] that have a pixel in common with that of a piece."""
    first, last = np.maximum(boxes[:, :2], piece.box[:2]), np.minimum(boxes[:, 2:], piece.box[2:])
    below, beside = (first < last).T
    touching: NDArray[np.bool_] = below & beside
    return touching


def _is_seen_beside(piece: Piece, pieces: Sequence[Piece]) -> bool:
    """Decide whether another tile, too, shows anything of a class where a cut piece of it lies."""
    return any(
        other.number == piece.number
        and not other.tiles & piece.tiles
        and mask_windows.count_common(piece.window, other.window) > 0
        for other in pieces
    )


def _agree(one: Piece, other: Piece, tiles: Sequence[Tile]) -> bool:
    (first,), (second,) = one.tiles, other.tiles
    if one.number != other.number or first == second:
        return False
    boxes = tiles[first].box, tiles[second].box
    common = np.concatenate([np.maximum(*boxes)[:2], np.minimum(*boxes)[2:]])
    seen = [mask_windows.crop(piece.window, common) for piece in (one, other)]
    return mask_windows.measure_overlap(*seen) >= _AGREEING


def _is_again(piece: Piece, better: Piece) -> bool:
    """Decide whether a piece shows what a better one shows.

    Suppression has compared the boxes of one tile. What it left of one class there is one object where the
    masks agree, and else two; an object of two classes is left to the model. Of two tiles that take an object
    for different classes, the better piece is right.
    """
    common = mask_windows.count_common(piece.window, better.window)
    area, other = (int(np.count_nonzero(one.window.mask)) for one in (piece, better))
    union, is_one_class = area + other - common, piece.number == better.number
    if piece.tiles <= better.tiles or better.tiles <= piece.tiles:
        return is_one_class and common >= _SAME * union
    if piece.is_cut:  # cut objects are often taken for another class
        return common >= _WITHIN * area
    if not is_one_class:
        return common >= _MISTAKEN * union
    return common >= min(_SAME * union, _WITHIN * min(area, other))
