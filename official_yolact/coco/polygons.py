"""Polygons of a JSON file, whose points some tools write as pairs [x, y]."""

from __future__ import annotations

import itertools
from typing import Any

_MIN_POINTS = 3


def flatten(value: Any) -> Any:
    """Write polygons as COCO does.

    Args:
      value: a segmentation as a JSON file has it; coordinates in pixels of the image, from its left upper
        corner.

    Returns:
      A list of polygons of a flat list of numbers x, y, x, y, ... in the same pixels, for a flat list, or for
      one or several lists of points [x, y]; anything else, also an empty list, as it is.
    """
    if type(value) is not list or not value:
        return value
    if len(value) >= _MIN_POINTS and _are_points(value):
        return [_join(value)]
    if not any(type(part) is list for part in value):
        return [value]
    return [_join(part) if type(part) is list and _are_points(part) else part for part in value]


def _are_points(part: list[Any]) -> bool:
    """Tell whether a list holds points [x, y] in place of numbers."""
    return bool(part) and all(
        type(point) is list and len(point) == 2 and {int, float}.issuperset(map(type, point))
        for point in part
    )


def _join(points: list[Any]) -> list[Any]:
    return list(itertools.chain.from_iterable(points))
