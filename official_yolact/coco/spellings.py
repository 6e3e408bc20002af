"""Segmentations that say in another spelling what COCO has a form for: one rule for all that read them."""

from __future__ import annotations

from typing import Any

from official_yolact.coco import polygons
from official_yolact_runtime import run_lengths
from official_yolact_runtime import values


def as_coco(value: Any, height: int | None = None, width: int | None = None) -> Any:
    """Write a segmentation in COCO's form, where it says the same in another.

    Args:
      value: a segmentation as the JSON has it.
      height: of the image in pixels, None where it is not known.
      width: of the image in pixels.

    Returns:
      A list of polygons of a flat list of numbers, for the forms of `polygons.flatten`, also with numbers
      as text; a run-length code with integers where they were whole numbers written as text or fractions,
      out of a list of its own, and with the image's size where it states none and covers the image
      exactly; anything else as it is.
    """
    if is_wrapped_code(value):
        value = value[0]
    if type(value) is not dict:
        return polygons.read_numbers(polygons.flatten(value))
    size, counts = whole_numbers(value.get("size")), whole_numbers(value.get("counts"))
    new = {"size": size, "counts": counts}
    code = {**value, **{field: numbers for field, numbers in new.items() if numbers is not None}}
    if height is None or width is None:
        return code
    if code.get("size") is None and _sum_runs(code.get("counts")) == height * width:
        code["size"] = [height, width]
    return code


def is_wrapped_code(value: Any) -> bool:
    """Check whether a segmentation is a list of one run-length code."""
    return type(value) is list and len(value) == 1 and type(value[0]) is dict and "counts" in value[0]


def whole_numbers(numbers: Any) -> list[int] | None:
    """Read a list of numbers as `values.parse_int` does; None where one is no whole number."""
    if type(numbers) is not list:
        return None
    if set(map(type, numbers)) <= {int}:
        return numbers
    try:
        return [values.parse_int("", "", number) for number in numbers]
    except ValueError:
        return None


def _sum_runs(counts: Any) -> int | None:
    """Count the pixels that run lengths cover; None where they cannot be read."""
    if isinstance(counts, str):
        try:
            counts = run_lengths.decompress(counts).tolist()
        except ValueError:
            return None
    if type(counts) is not list or not set(map(type, counts)) <= {int} or min(counts, default=-1) < 0:
        return None
    return sum(counts)
