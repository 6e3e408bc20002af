"""How instances are looked for in pictures: whole or in tiles, each alone or as the frames of a video."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from official_yolact.serving import shots
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import predictor as predictor_lib
from official_yolact_runtime import tiling
from official_yolact_runtime import tracking

Found = tuple[shots.Shot, detections_lib.Detections]


@dataclasses.dataclass(frozen=True)
class Search:
    """What is looked for, and how.

    Attributes:
      score_threshold: detections with a lower score are left out, but for those that tracking goes on with.
      max_detections: kept in a picture; None: 100, in tiles all.
      tile: longer side of the tiles in pixels in which a picture is searched; None: as a whole.
      overlap: part of a tile's side that the next one shares.
      whole_photo: search each picture as a whole as well.
      track: give the objects of a video, or of the pictures of a folder, their numbers.
    """

    score_threshold: float = predictor_lib.SCORE_THRESHOLD
    max_detections: int | None = None
    tile: int | None = None
    overlap: float = tiling.OVERLAP
    whole_photo: bool = False
    track: bool = False

    @property
    def least_score(self) -> float:
        """The score from which detections are needed."""
        return min(self.score_threshold, tracking.DOUBTFUL_THRESHOLD) if self.track else self.score_threshold


def find(
    predictor: predictor_lib.Predictor, pictures: Iterable[shots.Shot], search: Search
) -> Iterator[Found]:
    """Find the instances of pictures.

    Args:
      predictor: the model.
      pictures: photos and frames, in their order.
      search: how.

    Yields:
      Each with its detections, in their order.
    """
    if search.tile is None:
        found = _find_whole(predictor, pictures, search)
    else:
        tile = search.tile
        found = ((shot, find_in_tiles(predictor, shot.image, search, tile)) for shot in pictures)
    yield from _follow(found, search) if search.track else found


def _find_whole(
    predictor: predictor_lib.Predictor, pictures: Iterable[shots.Shot], search: Search
) -> Iterator[Found]:
    limit = search.max_detections or predictor_lib.MAX_DETECTIONS
    for shot, image, row in predictor.detect((shot, shot.image) for shot in pictures):
        yield shot, predictor.finish(image, row, search.least_score, limit)


def find_in_tiles(
    predictor: predictor_lib.Predictor, image: NDArray[np.uint8], search: Search, tile: int
) -> detections_lib.Detections:
    """Find the instances of one picture in tiles of a side."""
    return tiling.predict_tiled(
        predictor,
        image,
        tile,
        search.overlap,
        search.least_score,
        search.max_detections,
        whole_photo=search.whole_photo,
    )


def _follow(found: Iterable[Found], search: Search) -> Iterator[Found]:
    """Give the objects their numbers, which no other object of the run has."""
    tracker = tracking.Tracker(search.score_threshold, search.least_score)
    last = ""
    for shot, detections in found:
        video = shot.source.name if shot.source.is_video else os.path.dirname(shot.source.name)
        if video != last:
            tracker.restart()
        last = video
        yield shot, tracker.update(detections)
