"""Polygons of a JSON file, whose points and numbers some tools write in other forms than COCO's."""

from __future__ import annotations

import itertools
import re
from typing import Any

_MIN_POINTS = 3
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")


def flatten(value: Any) -> Any:
    """Write polygons in COCO's lists.

    Args:
      value: a segmentation as a JSON file has it; coordinates in pixels of the image, from its left upper
        corner.

    Returns:
      A list of polygons of a flat list of numbers in the same pixels, for a flat list, for one or several
      lists of points [x, y] or {"x": x, "y": y}, each point perhaps in a list of its own as in OpenCV's
      contours, and for one of these in further lists of its own; anything else as it is.
    """
    if type(value) is not list or not value:
        return value
    value = _open_points(value)
    if len(value) >= _MIN_POINTS and _are_points(value):
        return [_join(value)]
    if not any(type(part) is list for part in value):
        return [value]
    return [_flatten_part(part) for part in value]


def read_numbers(value: Any) -> Any:
    """Read numbers that are written as text in what `flatten` returned; anything else as it is."""
    if type(value) is not list:
        return value
    return [_read_part(part) if type(part) is list and str in map(type, part) else part for part in value]


def extent(parts: list[list[float]]) -> tuple[float, float, float, float]:
    """Find x0, y0, x1, y1 of the points of polygons, of which there is at least one, in COCO's lists."""
    x, y = [part[0::2] for part in parts], [part[1::2] for part in parts]
    return min(map(min, x)), min(map(min, y)), max(map(max, x)), max(map(max, y))


def read_points(value: Any) -> Any:
    """Write the points of one polygon as a list of [x, y], for the forms of `flatten`; others as they are."""
    parts = flatten(value)
    if type(parts) is not list or len(parts) != 1 or type(parts[0]) is not list or len(parts[0]) % 2:
        return value
    return [list(point) for point in zip(parts[0][::2], parts[0][1::2], strict=True)]


def _open_points(part: list[Any]) -> list[Any]:
    """Take each point out of a list of its own, where all points are in one."""
    if len(part) < _MIN_POINTS or not all(type(one) is list and len(one) == 1 for one in part):
        return part
    points = [one[0] for one in part]
    return points if _are_points(points) else part


def _flatten_part(part: Any) -> Any:
    """Unwrap a polygon from lists that hold nothing else: of two, one may be a hole."""
    inner = part
    while type(inner) is list and len(inner) == 1 and type(inner[0]) is list and not _is_point(inner[0]):
        inner = inner[0]
    inner = _open_points(inner) if type(inner) is list else inner
    if type(inner) is list and _are_points(inner):
        return _join(inner)
    return part if type(inner) is list and list in map(type, inner) else inner


def _are_points(part: list[Any]) -> bool:
    """Check whether a list holds points in place of numbers."""
    return bool(part) and all(_is_point(point) for point in part)


def _is_point(point: Any) -> bool:
    if type(point) is dict:
        return point.keys() == {"x", "y"} and all(map(_is_number, point.values()))
    return type(point) is list and len(point) == 2 and all(map(_is_number, point))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) or (type(value) is str and _NUMBER.fullmatch(value) is not None)


def _join(points: list[Any]) -> list[Any]:
    pairs = ([point["x"], point["y"]] if type(point) is dict else point for point in points)
    return list(itertools.chain.from_iterable(pairs))


def _read_part(part: list[Any]) -> list[Any]:
    return [_read(number) if type(number) is str and _is_number(number) else number for number in part]


def _read(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2.0**53 else number
