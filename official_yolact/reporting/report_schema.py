"""Everything that `report.json` holds, with units.

An AP, a recall, a precision, an IoU, a score and a share are between 0 and 1; `None` (null) says that there
is nothing to measure. Points of AP are hundredths. Boxes are COCO's, [x, y, width, height] in pixels of the
photo; masks are COCO's run lengths in the photo's size. Classes are named by their category id; `classes` has
their names. The six kinds of `ERRORS` are those of TIDE; "threshold" without more is a score.

Source: TIDE is https://arxiv.org/abs/2008.08115, boundary IoU is https://arxiv.org/abs/2103.16562.
"""

from __future__ import annotations

from typing import Any, TypedDict

FORMAT = 1
"""Of `report.json`; a reader refuses another one."""

REPORT_FILE_NAME = "report.json"
BACKGROUND = -1
"""The category id of the background in a confusion matrix."""

ERRORS = ("class", "localisation", "both", "duplicate", "background", "missed")
"""TIDE's errors: the wrong class on the right spot; the right class on the wrong spot; both wrong; an object
found a second time; nothing is there; an object that no detection found."""

MASK_ERRORS = ("leak", "cut", "coarse")
"""Of a detection on the right object: its mask covers part of a neighbour; its box cuts the object off; its
box is right and its mask has an IoU below 0.75. One that is several of these is the first of them."""


class Interval(TypedDict):
    """A number and its 95 % confidence interval from a bootstrap over images."""

    value: float | None
    low: float | None
    high: float | None


class Program(TypedDict):
    """What wrote the report."""

    name: str
    version: str


class File(TypedDict):
    """A file that was read."""

    path: str
    sha256: str
    bytes: int


class Skipped(TypedDict):
    """Something that was not evaluated: what, why, and how many; `names` has the first twenty."""

    what: str
    why: str
    count: int
    names: list[str]


class Counts(TypedDict):
    """How much was evaluated; `objects` are annotations without crowds."""

    images: int
    images_without_objects: int
    objects: int
    crowds: int
    classes: int
    classes_without_objects: int
    detections: int


class Model(TypedDict):
    """The model that was evaluated.

    `step` is the training step; `config` the parameters of the run, where the model has them; `weights` says
    which weights were loaded; `runtime` and `precision` how they were run; `options` those of detection.
    """

    path: str
    checkpoint: str | None
    step: int | None
    config: dict[str, Any] | None
    weights: dict[str, Any] | None
    runtime: str | None
    precision: str | None
    options: dict[str, Any]


class Evaluated(TypedDict):
    """What was evaluated: a model on the images of a folder, or a results file (`model` is None)."""

    model: Model | None
    detections: File | None
    annotations: File
    images: str | None
    counts: Counts
    skipped: list[Skipped]
    notes: list[str]


class Class(TypedDict):
    """A class of the annotation file; ids ascend in `Report.classes`."""

    id: int
    name: str


class ClassRow(TypedDict):
    """A class: AP over IoU 0.5 to 0.95, AP50 and AP75; the rest at IoU 0.5.

    `detections` are those that count; `recall` is with all of them. `threshold` has the best F1, which is
    `f1`; `precision_at` and `recall_at` are those at this threshold.
    """

    id: int
    name: str
    objects: int
    detections: int
    AP: Interval
    AP50: float | None
    AP75: float | None
    recall: float | None
    threshold: float | None
    f1: float | None
    precision_at: float | None
    recall_at: float | None


class GroupRow(TypedDict):
    """Objects of one size, or images of one size or with so many objects.

    Values from `low` on and below `high` (None: no bound) belong to it: pixels of area, or objects of an
    image. `name` is ready to be shown. `recall` is with all detections, at IoU 0.5 for images, else averaged
    over IoU 0.5 to 0.95 as COCO's AR.
    """

    name: str
    low: float
    high: float | None
    images: int
    objects: int
    AP: Interval
    AP50: float | None
    recall: float | None


class ClassCurve(TypedDict):
    """Of a class with objects: precision at each of `Curves.recalls`, and the threshold that reaches it.

    Both are None where the recall is not reached.
    """

    id: int
    precision: list[float | None]
    score: list[float | None]


class Curves(TypedDict):
    """Precision over recall at an IoU, by pycocotools.

    `recalls` ascend from 0 to 1; `mean` is over the classes.
    """

    iou: float
    recalls: list[float]
    mean: list[float]
    classes: list[ClassCurve]


class Operating(TypedDict):
    """What a threshold gives, over all classes at IoU 0.5."""

    threshold: float
    precision: float
    recall: float
    f1: float


class Wish(TypedDict):
    """The threshold for a wished precision (the lowest that has it) or recall (the highest).

    `measure` is `precision` or `recall`; `reached` is None where no threshold has it.
    """

    measure: str
    wished: float
    reached: Operating | None


class Thresholds(TypedDict):
    """F1 over the threshold: `points` by ascending threshold, at most 201, the recommended one among them.

    `recommended` has the best F1, and of several with the same the lowest; None without a true detection.
    """

    recommended: Operating | None
    wishes: list[Wish]
    points: list[Operating]


class CalibrationBin(TypedDict):
    """Detections with a score from `low` on and below `high` (the last bin: and equal).

    `precision` is the share of them that are right at IoU 0.5: of calibrated scores it equals `mean_score`.
    """

    low: float
    high: float
    detections: int
    mean_score: float | None
    precision: float | None


class Calibration(TypedDict):
    """How far scores are shares of right detections; `error` is the expected calibration error."""

    bins: list[CalibrationBin]
    error: float | None


class ConfusionCell(TypedDict):
    """How many objects of `truth` were found as `found`; `BACKGROUND` for none.

    `share` is that of the objects of `truth`; of the background row that of all detections on background.
    """

    truth: int
    found: int
    count: int
    share: float


class Confusion(TypedDict):
    """The confusion matrix at an IoU with detections from a threshold on; cells that are 0 are left out.

    Detections that found an object of their class (pycocotools' matches) are the diagonal; of the others, the
    best first, each has the object of another class with the largest overlap that nothing else has.
    """

    iou: float
    threshold: float
    cells: list[ConfusionCell]


class ErrorRow(TypedDict):
    """A kind of error: detections, or of `missed` objects.

    `count` is among all detections that count, `count_at` among those from the recommended threshold on;
    `points` is how many points of AP one would gain if just these errors were mended.
    """

    kind: str
    count: int
    count_at: int
    points: float | None


class Errors(TypedDict):
    """Where the AP is lost.

    `of` names the number, which is `value` now: `AP50` for `ERRORS`, `AP` for `MASK_ERRORS`.
    `false_positive` and `false_negative` are points: without any wrong detection, without any missed object.
    """

    of: str
    value: float | None
    rows: list[ErrorRow]
    false_positive: float | None
    false_negative: float | None


class Bootstrap(TypedDict):
    """How the intervals were made: resampled sets of so many images, the seed, and the confidence."""

    replicates: int
    images: int
    seed: int
    confidence: float


class KindReport(TypedDict):
    """What was found out about boxes, or about masks.

    `numbers` has COCO's twelve (`AP`, `AP50`, ..., `ARl`), by pycocotools. `confusion` has one matrix of the
    recommended threshold and one of all detections (threshold 0), in this order; without a recommended
    threshold the second alone. `mask_errors` is None for boxes.
    """

    numbers: dict[str, Interval]
    bootstrap: Bootstrap
    by_class: list[ClassRow]
    by_size: list[GroupRow]
    by_image_size: list[GroupRow]
    by_object_count: list[GroupRow]
    curves: Curves
    thresholds: Thresholds
    calibration: Calibration
    confusion: list[Confusion]
    errors: Errors
    mask_errors: Errors | None


class Ceiling(TypedDict):
    """The mask AP that perfect detections reach through the prototype grid.

    Attributes: `grid` and `input` are [height, width] in cells and pixels; `target` is how an object is drawn
    on the grid (`binary`: in the middle of a cell or not; `coverage`: the share of the cell that it
    covers); `trained` says whether the model was trained with it; `objects` were drawn, or a sample of them;
    `numbers` has `AP`, `AP50`, `AP75`, `APs`, `APm`, `APl`; `mean_iou` is of the drawn masks.
    """

    grid: list[int]
    input: list[int]
    target: str
    trained: bool
    objects: int
    numbers: dict[str, float | None]
    mean_iou: float | None


class QualityRow(TypedDict):
    """Masks of objects that were found (at an IoU of 0.5, the class right), by the size of the object."""

    name: str
    masks: int
    mean_iou: float | None
    mean_boundary_iou: float | None


class MaskQuality(TypedDict):
    """How good masks are, whatever was missed: `rows` are all, small, medium and large.

    The boundary is as wide as `boundary` times the diagonal of the photo, at least a pixel.
    """

    boundary: float
    sampled: int
    rows: list[QualityRow]


class ShownObject(TypedDict):
    """An annotation of a shown image.

    `outcome` is `found`, `missed` or `crowd`; `reason` says it in words.
    """

    id: int
    category_id: int
    box: list[float]
    segmentation: dict[str, Any] | None
    outcome: str
    reason: str


class ShownDetection(TypedDict):
    """A detection of a shown image.

    `outcome` is `true`, `false` or `ignored` (it found a crowd). `kind` is one of `ERRORS`, of a true one one
    of `MASK_ERRORS`, else None. `object` is the id of the annotation that it found or should have found, with
    the overlap `iou`. `reason` says it in words. `is_candidate`: it looks like an object that is not
    annotated.
    """

    category_id: int
    score: float
    box: list[float]
    segmentation: dict[str, Any] | None
    outcome: str
    kind: str | None
    object: int | None
    iou: float | None
    reason: str
    is_candidate: bool


class ShownImage(TypedDict):
    """An image with what went well and wrong; detections from `Images.threshold` on, the best first.

    `cost` is the sum over missed objects of 1, over false detections of their score, and over found objects
    of 1 - IoU. `true`, `false` and `missed` count. `kinds` and `classes` (category ids) are those of the
    errors, or of the candidates, for a filter.
    """

    id: int
    file_name: str
    height: int | None
    width: int | None
    cost: float
    true: int
    false: int
    missed: int
    kinds: list[str]
    classes: list[int]
    objects: list[ShownObject]
    detections: list[ShownDetection]


class Images(TypedDict):
    """Images to look at: at most 24 with the largest cost, 6 with the smallest, 24 with label errors.

    `threshold` is 0.3, with which `yolact predict` draws, or the recommended one where that is lower. `kind`
    is `mask`, or `box` where no masks were measured.
    """

    kind: str
    threshold: float
    worst: list[ShownImage]
    best: list[ShownImage]
    label_errors: list[ShownImage]


class Milliseconds(TypedDict):
    """Time of a picture in milliseconds: the median and the 95th percentile of the rounds."""

    median: float
    p95: float


class SpeedRow(TypedDict):
    """Times with so many pictures at once.

    `parts` are `decode`, `network`, `suppression`, `detect` (network and suppression, where an export does
    both in one), `masks`, `encode` and `total`.
    """

    batch: int
    parts: dict[str, Milliseconds]


class Speed(TypedDict):
    """How fast the model is on this machine; `photo` is [height, width] of the timed picture."""

    device: str
    runtime: str
    precision: str
    rounds: int
    photo: list[int]
    rows: list[SpeedRow]


class Report(TypedDict):
    """`report.json`.

    `created` is UTC, as ISO 8601 writes it. `kinds` are the keys of `measurements`: `box`, `mask` or both;
    `main` is `mask` where it is there. `ceiling` has one entry for each target; it, `mask_quality` and
    `speed` are None where there are no masks, no known grid, and no model that was timed.
    """

    format: int
    program: Program
    created: str
    title: str
    evaluated: Evaluated
    classes: list[Class]
    kinds: list[str]
    main: str
    measurements: dict[str, KindReport]
    ceiling: list[Ceiling] | None
    mask_quality: MaskQuality | None
    images: Images
    speed: Speed | None
