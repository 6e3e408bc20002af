"""Many pictures through a model into an evaluator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import coco_evaluator
from official_yolact.serving import sources
from official_yolact_runtime import predictor as predictor_lib

Progress = Callable[[int, int], None]
"""Called with (done, total) after each picture."""


def collect_detections(
    predictor: predictor_lib.Predictor,
    listed: Sequence[sources.ListedImage],
    evaluator: coco_evaluator.CocoEvaluator,
    progress: Progress | None = None,
) -> list[str]:
    """Hand all detections of pictures to an evaluator.

    Args:
      predictor: the model.
      listed: the pictures.
      evaluator: takes them, in this order.
      progress: called after each picture.

    Returns:
      One message for each picture that could not be read, naming it; it has no detections.

    Raises:
      ValueError: no picture could be read, or one has another size than its annotations state.
    """
    skipped: list[str] = []
    for one, _, row in _detect(predictor, listed, skipped, progress):
        arrays = {name: value[np.newaxis] for name, value in row.items()}
        info = arrays.pop("image_info")
        evaluator.update(np.array([one.image_id]), info, np.ones(1, np.float32), arrays)
    return skipped


def _detect(
    predictor: predictor_lib.Predictor,
    listed: Sequence[sources.ListedImage],
    skipped: list[str],
    progress: Progress | None,
) -> Iterator[tuple[sources.ListedImage, NDArray[np.uint8], dict[str, NDArray[Any]]]]:
    """Detect in the pictures that can be read, and collect in `skipped` why the others cannot."""
    done = itertools.count(1)

    def report() -> None:
        if progress:
            progress(next(done), len(listed))

    def read() -> Iterator[tuple[sources.ListedImage, NDArray[np.uint8]]]:
        for one in listed:
            try:
                image = predictor.read(one.path, one.size)
            except (OSError, ValueError) as error:
                skipped.append(str(error))
                report()
            else:
                yield one, image

    for found in predictor.detect(read()):
        yield found
        report()
    if listed and len(skipped) == len(listed):
        others = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        raise ValueError(f"no picture could be read: {skipped[0]}{others}")
