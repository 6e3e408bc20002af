"""Outlines of masks as COCO's polygons, which run along the edges of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LARGEST_SHARE = 0.05
"""Of the side of a part by which its outline may be simplified at most."""


def trace(mask: NDArray[np.bool_], top: int = 0, left: int = 0, tolerance: float = 0.0) -> list[list[float]]:
    """Trace the outer outline of each part of a mask.

    Args:
      mask: bool [h, w], a part of a photo outside of which the mask is empty.
      top: row of the photo in which it begins.
      left: column likewise.
      tolerance: pixels by which an outline may be simplified, less of small parts. 0: along each pixel.

    Returns:
      [x1, y1, x2, y2, ...] in pixels of the photo, for each part whose pixels touch by a side. Holes are
      filled: a COCO polygon has none. pycocotools draws the polygons of a tolerance of 0 as the same mask.
    """
    corners, along_row, along_column = _find_corners(mask)
    found = []
    for ring in _follow(along_row, along_column):
        points = corners[ring]  # [points, 2], y and x
        first = points[np.lexsort((points[:, 1], points[:, 0]))[0]]
        if not mask[first[0], first[1]]:
            continue  # the outline of a hole has background inside its first corner
        if tolerance:
            side = np.sqrt(np.ptp(points[:, 0]) * np.ptp(points[:, 1]))
            points = _simplify(points, min(tolerance, _LARGEST_SHARE * float(side)))
        found.append((points + np.array([top, left]))[:, ::-1].astype(float).ravel().tolist())
    return found


def _find_corners(
    mask: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the corners of all outlines, and for each the next one along its row and along its column.

    Where pixels touch by a corner alone, two corners lie at one place.
    """
    framed = np.pad(mask, 1)
    above_left, above = framed[:-1, :-1], framed[:-1, 1:]  # [h + 1, w + 1], of the pixels around each place
    below_left, below = framed[1:, :-1], framed[1:, 1:]
    single = above_left ^ above ^ below_left ^ below
    falling = above_left & below & ~above & ~below_left
    rising = above & below_left & ~above_left & ~below
    twice = falling | rising
    counts = single.astype(np.int64) + 2 * twice
    places = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0)  # [corners, 2], by row, then column
    number = np.arange(len(places))
    # The corners of a row are ends of horizontal edges, two by two; so are those of a column.
    along_row = number ^ 1
    second = np.zeros(len(places), np.int64)
    second[1:] = (places[1:] == places[:-1]).all(axis=1)
    # Of two corners at one place, the one that ends the edge from the left ends the edge from above, where
    # the pixel between them is set: so parts that touch by a corner alone stay apart.
    turned = rising[places[:, 0], places[:, 1]]
    order = np.lexsort((np.where(turned, 1 - second, second), places[:, 0], places[:, 1]))
    along_column = np.empty_like(order)
    along_column[order] = order[np.arange(len(order)) ^ 1]
    return places, along_row, along_column


def _follow(along_row: NDArray[np.int64], along_column: NDArray[np.int64]) -> list[list[int]]:
    """Follow edges from corner to corner; gives the corners of each closed outline."""
    rows, columns = along_row.tolist(), along_column.tolist()
    is_open, rings = [True] * len(rows), []
    for start in range(len(rows)):
        ring, at = [], start
        while is_open[at]:
            other = rows[at]
            is_open[at] = is_open[other] = False
            ring += [at, other]
            at = columns[other]
        if ring:
            rings.append(ring)
    return rings


def _simplify(points: NDArray[np.int64], tolerance: float) -> NDArray[np.int64]:
    """Leave out points of a closed outline that lie nearer to the rest of it (Douglas and Peucker, 1973)."""
    far = int(np.argmax(np.hypot(*(points - points[0]).T)))
    closed = np.concatenate([points, points[:1]])
    keep = np.zeros(len(closed), bool)
    keep[[0, far, -1]] = True
    waiting = [(0, far), (far, len(closed) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        start, along = closed[first], closed[last] - closed[first]
        offset = closed[first + 1 : last] - start
        length = np.hypot(*along)
        # Distance from the line, or from the point where the line has no length.
        distance = (
            np.abs(along[0] * offset[:, 1] - along[1] * offset[:, 0]) / length
            if length
            else np.hypot(*offset.T)
        )
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            at = first + 1 + worst
            keep[at] = True
            waiting += [(first, at), (at, last)]
    kept = closed[:-1][keep[:-1]]
    return kept if len(kept) > 2 else points
