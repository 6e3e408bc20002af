"""Many pictures through a model: into files, or into an evaluator."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import results
from official_yolact.files import outputs
from official_yolact.serving import images as image_files
from official_yolact.serving import predictor as predictor_lib
from official_yolact.serving import sources

PREDICTIONS_FILE = "predictions.json"

Progress = Callable[[int, int], None]
"""Called with (done, total) after each picture or batch."""


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
    for index, (path, target) in enumerate(zip(paths, targets, strict=True), start=1):
        try:
            image = image_files.read_image(path)
        except (OSError, ValueError) as error:
            skipped.append(str(error))
        else:
            found = predictor(image, score_threshold, max_detections)
            found.save(target, inputs=paths, force=force)
            entries += [
                {**entry, "file_name": path, "category_name": name}
                for entry, name in zip(found.to_coco(index), found.names, strict=True)
            ]
        if progress:
            progress(index, len(paths))
    if len(skipped) == len(paths):
        others = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        raise ValueError(
            f"no picture could be read: {skipped[0]}{others}" if skipped else "no pictures are given"
        )
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
      progress: called after each batch.

    Returns:
      One message for each picture that could not be read, naming it; it has no detections.

    Raises:
      ValueError: no picture could be read, or one has another size than its annotations state.
    """
    skipped: list[str] = []
    for start in range(0, len(listed), predictor.batch_size):
        part, images = [], []
        for one in listed[start : start + predictor.batch_size]:
            try:
                images.append(image_files.read_image(one.path, one.size))
                part.append(one)
            except (OSError, ValueError) as error:
                skipped.append(str(error))
        if part:
            rows = next(predictor.detect(images))
            arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
            evaluator.update(
                np.array([one.image_id for one in part]),
                arrays.pop("image_info"),
                np.ones(len(part), np.float32),
                arrays,
            )
        if progress:
            progress(min(start + predictor.batch_size, len(listed)), len(listed))
    if listed and len(skipped) == len(listed):
        raise ValueError(f"no picture could be read: {skipped[0]}")
    return skipped
