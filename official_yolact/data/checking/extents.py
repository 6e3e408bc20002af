"""How far the annotations of each image reach, and which sizes they fit."""

from __future__ import annotations

import dataclasses

import numpy as np

from official_yolact.data.checking import columns
from official_yolact.data.checking import geometry
from official_yolact.data.checking import outlines
from official_yolact.data.checking import view as view_lib


@dataclasses.dataclass(frozen=True)
class Extents:
    """What the annotations of N images say of their sizes.

    Attributes:
      reach: [N, 2] largest x and y of outlines and boxes, -inf where there are none.
      least: [N, 2] smallest height and width that a run-length code states, inf where there is none.
      most: [N, 2] the largest.
    """

    reach: columns.Floats
    least: columns.Floats
    most: columns.Floats

    def fit(self, image: int, height: float, width: float) -> bool:
        """Tell whether the annotations of an image lie inside a size, but for rounding."""
        slack = geometry.SMALL_OVERHANG
        if self.reach[image, 0] > width + slack or self.reach[image, 1] > height + slack:
            return False
        coded = np.isfinite(self.most[image, 0])
        return not coded or bool(
            (self.least[image] == self.most[image]).all() and (self.most[image] == (height, width)).all()
        )


def measure(view: view_lib.View) -> Extents:
    """Measure the annotations of every image."""
    reach = np.full((len(view.images), 2), -np.inf)
    least, most = np.full_like(reach, np.inf), np.full_like(reach, -np.inf)
    own = view.image_of >= 0
    for corners in (view.outlines.box, geometry.corners(view)):
        np.fmax.at(reach, view.image_of[own], corners[own, 2:])
    own &= (view.outlines.kind == outlines.RLE) & (view.outlines.size[:, 0] > 0)
    np.minimum.at(least, view.image_of[own], view.outlines.size[own].astype(np.float64))
    np.maximum.at(most, view.image_of[own], view.outlines.size[own].astype(np.float64))
    return Extents(reach, least, most)
