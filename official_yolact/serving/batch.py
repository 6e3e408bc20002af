"""Many pictures through a model into an evaluator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import coco_evaluator
from official_yolact.serving import ahead
from official_yolact.serving import searching
from official_yolact.serving import sources
from official_yolact_runtime import predictor as predictor_lib

Progress = Callable[[int, int], None]
"""Called with (done, total) after each picture."""


def collect_detections(
    predictor: predictor_lib.Predictor,
    listed: Sequence[sources.ListedImage],
    evaluator: coco_evaluator.CocoEvaluator,
    progress: Progress | None = None,
    search: searching.Search | None = None,
) -> list[str]:
    """Hand all detections of pictures to an evaluator.

    Args:
      predictor: the model.
      listed: the pictures.
      evaluator: takes them, in this order.
      progress: called after each picture.
      search: with tiles: search each picture in them.

    Returns:
      One message for each picture that could not be read, naming it; it has no detections.

    Raises:
      ValueError: no picture could be read, or one has another size than its annotations state.
    """
    skipped: list[str] = []
    read = _Reading(predictor, listed, skipped, progress)
    if search and search.tile:
        for one, image in read:
            evaluator.add(one.image_id, searching.find_in_tiles(predictor, image, search, search.tile))
            read.report()
    else:
        for one, _, row in predictor.detect(iter(read)):
            arrays = {name: value[np.newaxis] for name, value in row.items()}
            info = arrays.pop("image_info")
            evaluator.update(np.array([one.image_id]), info, np.ones(1, np.float32), arrays)
            read.report()
    if listed and len(skipped) == len(listed):
        others = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        raise ValueError(f"no picture could be read: {skipped[0]}{others}")
    return skipped


class _Reading:
    """Reads the pictures that can be read, and collects in `skipped` why the others cannot.

    The pictures of the next batch are read while the network computes one.
    """

    def __init__(
        self,
        predictor: predictor_lib.Predictor,
        listed: Sequence[sources.ListedImage],
        skipped: list[str],
        progress: Progress | None,
    ) -> None:
        self._predictor, self._listed = predictor, listed
        self._skipped, self._progress = skipped, progress
        self._done = 0

    def __iter__(self) -> Iterator[tuple[sources.ListedImage, NDArray[np.uint8]]]:
        for one, image in ahead.map_ahead(self._read, self._listed, self._predictor.runtime.batch_size):
            if isinstance(image, str):
                self._skipped.append(image)
                self.report()
            else:
                yield one, image

    def _read(self, one: sources.ListedImage) -> tuple[sources.ListedImage, NDArray[np.uint8] | str]:
        try:
            return one, self._predictor.read(one.path, one.size)
        except (OSError, ValueError) as error:
            return one, str(error)

    def report(self) -> None:
        """Show that a picture is done."""
        self._done += 1
        if self._progress:
            self._progress(self._done, len(self._listed))
