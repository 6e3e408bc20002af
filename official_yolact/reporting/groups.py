"""Images by their size, and by how many objects they have."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from official_yolact.reporting import study as study_lib

_COUNTS = (1, 2, 5, 10, 20)
_MEGA = 1e6


class Groups(NamedTuple):
    """Images in groups; `bounds` of a group are the first value in it and the first beyond it.

    Attributes:
      names: of the groups, ready to be shown.
      bounds: (low, high) of each; None: no bound.
      members: int64 [I], the group of each image; -1 for none.
    """

    names: list[str]
    bounds: list[tuple[float, float | None]]
    members: NDArray[np.int64]


def by_object_count(study: study_lib.Study) -> Groups:
    """Group images by their objects, crowds not counted; images without objects are in no group."""
    counts = np.bincount(study.object_images[study.matches.object_counts], minlength=len(study.image_ids))
    bounds: list[tuple[float, float | None]] = list(zip(_COUNTS, (*_COUNTS[1:], None), strict=True))
    names = [_name_count(low, high) for low, high in bounds]
    return _drop_empty(names, bounds, np.searchsorted(_COUNTS, counts, side="right") - 1)


def by_image_size(study: study_lib.Study) -> Groups:
    """Group images by their pixels into thirds; images whose size is not stated are in no group."""
    images = [study.truth.images[image_id] for image_id in study.image_ids.tolist()]
    sizes = [(image["height"], image["width"]) for image in images]
    pixels = np.array([math.prod(size) if all(size) else -1 for size in sizes])
    known = pixels[pixels > 0]
    edges = sorted({float(_round(edge)) for edge in np.quantile(known, (1 / 3, 2 / 3))}) if known.size else []
    edges = [edge for edge in edges if known.min() < edge <= known.max()]
    bounds = list(zip((0.0, *edges), (*edges, None), strict=True))
    names = [_name_size(low, high) for low, high in bounds]
    members = np.where(pixels > 0, np.searchsorted(edges, pixels, side="right"), -1)
    return _drop_empty(names, bounds, members)


def _drop_empty(
    names: list[str], bounds: list[tuple[float, float | None]], members: NDArray[np.int64]
) -> Groups:
    used = [at for at in range(len(names)) if (members == at).any()]
    new = np.full(len(names) + 1, -1)  # the last is that of -1
    new[used] = np.arange(len(used))
    return Groups([names[at] for at in used], [bounds[at] for at in used], new[members])


def _round(pixels: float) -> float:
    """Round to hundredths of a megapixel, or to two digits where that is nothing."""
    digits = max(2, 1 - math.floor(math.log10(pixels / _MEGA)))
    return round(pixels / _MEGA, digits) * _MEGA


def _name_count(low: float, high: float | None) -> str:
    if high is None:
        return f"from {low} objects"
    return f"{low} object" if low == 1 else f"{low} to {int(high) - 1} objects"


def _name_size(low: float, high: float | None) -> str:
    if high is None:
        return f"from {low / _MEGA:g} megapixels" if low else "all sizes"
    return f"{low / _MEGA:g} to {high / _MEGA:g} megapixels" if low else f"below {high / _MEGA:g} megapixels"
