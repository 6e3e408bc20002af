"""Many pictures through a model: into files, or into an evaluator."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import results
from official_yolact.serving import sources
from official_yolact_runtime import predictor as predictor_lib
from official_yolact_runtime.files import outputs

PREDICTIONS_FILE = "predictions.json"

Progress = Callable[[int, int], None]
"""Called with (done, total) after each picture."""


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What came of the pictures of one run.

    Attributes:
      num_pictures: pictures written.
      num_detections: detections in them.
      skipped: one message for each picture that could not be read, naming it.
    """

    num_pictures: int
    num_detections: int
    skipped: list[str]


def predict_files(
    predictor: predictor_lib.Predictor,
    paths: Sequence[str],
    output: str,
    score_threshold: float = predictor_lib.SCORE_THRESHOLD,
    max_detections: int = predictor_lib.MAX_DETECTIONS,
    progress: Progress | None = None,
    *,
    force: bool = False,
) -> Predicted:
    """Write each picture with its detections, and `predictions.json` with those of all.

    The JSON is a list of COCO results with `file_name` and `category_name`; `image_id` counts
    `paths` from 1, pictures that cannot be read included.

    Args:
      predictor: the model.
      paths: picture files.
      output: folder to write to; made if it does not exist.
      score_threshold: detections below it are left out.
      max_detections: kept in a picture.
      progress: called after each picture.
      force: replace files that this program did not write; never `paths`.

    Raises:
      OSError: a file cannot be written; names it.
      ValueError: a file would be lost (found before anything is written), or none could be read.
    """
    targets = [os.path.join(output, name) for name in sources.name_outputs(paths)]
    listing = os.path.join(output, PREDICTIONS_FILE)
    for target in [*targets, listing]:
        if outputs.find_input(target, paths):
            raise ValueError(f"{target}: would overwrite the picture itself: choose another --output folder")
        outputs.check(target, force=force)
    entries: list[dict[str, Any]] = []
    skipped: list[str] = []
    listed = [sources.ListedImage(index, path) for index, path in enumerate(paths, start=1)]
    for one, image, row in _detect(predictor, listed, skipped, progress):
        found = predictor.finish(image, row, score_threshold, max_detections)
        found.save(targets[one.image_id - 1], inputs=paths, force=force)
        entries += [
            {**entry, "file_name": one.path, "category_name": name}
            for entry, name in zip(found.to_coco(one.image_id), found.names, strict=True)
        ]
    results.write_results(listing, entries, inputs=paths, force=force)
    return Predicted(len(paths) - len(skipped), len(entries), skipped)


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
