"""The published AP of a model beside what this library measures with the same weights on COCO val2017."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import time
from collections.abc import Callable
from typing import Any

from official_yolact.data.sets import coco2017
from official_yolact.environment import machine
from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import groundtruth
from official_yolact.evaluation import metrics
from official_yolact.serving import batch
from official_yolact.serving import models
from official_yolact.serving import sources
from official_yolact.weights import named_weights
from official_yolact.weights import published

VAL_IMAGES = 5000
"""Of COCO val2017: the published AP is comparable on these alone."""

_PACKAGES = ("official-yolact", "tensorflow", "numpy", "pycocotools")


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What was measured, and what was published.

    Attributes:
      name: of the weights.
      experiment: that they belong to.
      weights: as of `LoadedWeights.as_dict`.
      annotations: file of the ground truth.
      images: that it lists.
      skipped: a message for each image that could not be read.
      exact_boxes: `Evaluation.metrics` with the boxes as they were found.
      integer_boxes: the same with boxes cut to whole pixels, as the original's results have them.
      published: what others have stated of the same weights.
      seconds: to `load`, to `detect` in all images, and to `evaluate` both ways.
      machine: processors and devices.
      versions: of packages, by name.
    """

    name: str
    experiment: str
    weights: dict[str, Any] | None
    annotations: str
    images: int
    skipped: list[str]
    exact_boxes: dict[str, float]
    integer_boxes: dict[str, float]
    published: tuple[published.Published, ...]
    seconds: dict[str, float]
    machine: str
    versions: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return dataclasses.asdict(self)


def reproduce(
    entry: named_weights.NamedWeights,
    directory: str,
    split: coco2017.Split,
    *,
    batch_size: int = 1,
    progress: batch.Progress | None = None,
    report: metrics.Report = metrics.report_nothing,
    say: Callable[[str], None] = print,
) -> Reproduction:
    """Evaluate published weights in float32, with the original's integer boxes and without.

    Args:
      entry: the weights.
      directory: of their import.
      split: val2017.
      batch_size: images that pass the network at once.
      progress: called after each image.
      report: of comparisons with the ground truth.
      say: is called with lines for people.

    Returns:
      The numbers.

    Raises:
      OSError, ValueError: as of `models.load`, `sources.list_annotated` and `CocoEvaluator`.
    """
    listed = sources.list_annotated(
        groundtruth.load_images(split.annotations), split.images, split.annotations
    )
    start = time.monotonic()
    predictor = models.load(directory, batch_size, runtime=models.TENSORFLOW)
    loaded = time.monotonic()
    evaluator = coco_evaluator.CocoEvaluator(split.annotations, predictor.categories)
    skipped = batch.collect_detections(predictor, listed, evaluator, progress)
    detected = time.monotonic()
    for message in skipped:
        say(f"skipped, it has no detections: {message}")
    exact = evaluator.evaluate(report).metrics()
    evaluator.cut_boxes()
    integer = evaluator.evaluate(report).metrics()
    seconds = {"load": loaded - start, "detect": detected - loaded, "evaluate": time.monotonic() - detected}
    return Reproduction(
        name=entry.name,
        experiment=entry.experiments[0],
        weights=predictor.weights.as_dict() if predictor.weights else None,
        annotations=split.annotations,
        images=len(listed),
        skipped=skipped,
        exact_boxes=exact,
        integer_boxes=integer,
        published=published.FIGURES[entry.experiments[0]],
        seconds={name: round(value, 3) for name, value in seconds.items()},
        machine=_describe_machine(),
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
    )


def format_table(done: Reproduction) -> str:
    """Lay out what was measured above what was published, in percent, and say what it cost.

    Returns:
      Lines: a heading, one for each way of measuring and each source, and time and machine below.
    """
    rows = [("", "box AP", "mask AP", "images")]
    for label, found in (
        ("measured here", done.exact_boxes),
        ("measured here, integer boxes", done.integer_boxes),
    ):
        box, mask = (_format_ap(found.get(name, -1.0)) for name in ("box_AP", "mask_AP"))
        rows.append((label, box, mask, f"{done.images:,} of the annotation file"))
    for figure in done.published:
        stated = "" if figure.box_ap is None else f"{figure.box_ap:.2f}"
        rows.append((f"published: {figure.source}", stated, f"{figure.mask_ap:.2f}", figure.images))
    width = max(len(row[0]) for row in rows)
    lines = [f"{label:<{width}}{box:>9}{mask:>9}  {of}" for label, box, mask, of in rows]
    per_image = 1000 * done.seconds["detect"] / max(done.images - len(done.skipped), 1)
    lines.append(
        f"{per_image:.0f} ms an image; {sum(done.seconds.values()):.0f} s in all; {done.machine}; TensorFlow"
        f" {done.versions['tensorflow']}, float32"
    )
    if done.images != VAL_IMAGES:
        lines.append(
            f"{done.annotations} lists {done.images:,} images, not the {VAL_IMAGES:,} of val2017: the"
            " published AP is of other images"
        )
    return "\n".join(lines)


def _format_ap(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.2f}"


def _describe_machine() -> str:
    """Name the processor, and the GPU that TensorFlow has used."""
    import tensorflow as tf  # noqa: PLC0415  models.load has imported it

    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return ", ".join([machine.describe(), *names])
