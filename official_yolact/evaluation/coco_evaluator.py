"""COCO evaluation of a detector, batch by batch."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import measurement
from official_yolact.evaluation import metrics
from official_yolact.evaluation import results as results_lib
from official_yolact.ops import frames
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths

_logger = logging.getLogger(__name__)


class CocoEvaluator:
    """Collects detections and measures them over exactly the images of an annotation file.

    Each mask is resampled to its image and run-length encoded at once, which keeps memory small. Images
    without detections count, of an image that arrives twice the first counts, and images that the file does
    not list are left out.

    Attributes:
      grid: (height, width) in cells of the masks of `update`; None before it.
      num_unlisted: images that the annotation file does not list.
      box_results: detections with boxes.
      mask_results: the same with masks.
    """

    def __init__(
        self, annotation_file: str, categories: categories_lib.Categories, integer_boxes: bool = False
    ) -> None:
        """Read the ground truth.

        Args:
          annotation_file: COCO instance annotations; empty: only collect results (test-dev).
          categories: what the detector's classes mean.
          integer_boxes: cut boxes to whole pixels as the original does (`results.cut_box`).

        Raises:
          OSError: the file cannot be read.
          ValueError: it is malformed, has malformed masks, or none of its categories is the detector's.
        """
        self.groundtruth = groundtruth_lib.load_groundtruth(annotation_file) if annotation_file else None
        self._category_ids = (
            map_classes(categories, self.groundtruth)
            if self.groundtruth
            else dict(enumerate(categories.ids, 1))
        )
        if self.groundtruth and self.groundtruth.has_masks:
            # A malformed one is reported now, not after hours of detecting.
            _ = self.groundtruth.mask_annotations
        self._integer_boxes = integer_boxes
        self.reset()

    def reset(self) -> None:
        """Forget all detections."""
        self._seen: set[int] = set()
        self.grid: tuple[int, int] | None = None
        self.num_unlisted = 0
        self.box_results: list[results_lib.Result] = []
        self.mask_results: list[results_lib.Result] = []

    def replace(
        self,
        image_ids: Iterable[int],
        box_results: list[results_lib.Result],
        mask_results: list[results_lib.Result],
        num_unlisted: int,
    ) -> None:
        """Replace the collected detections by those of several evaluators together.

        Args:
          image_ids: all evaluated images, also those without detections.
          box_results: detections with boxes.
          mask_results: detections with masks.
          num_unlisted: images among them that the annotation file does not list.
        """
        listed = self.groundtruth.images if self.groundtruth else None
        self._seen = {image_id for image_id in image_ids if listed is None or image_id in listed}
        self.box_results, self.mask_results = box_results, mask_results
        self.num_unlisted = num_unlisted

    def update(
        self,
        image_ids: NDArray[np.integer[Any]],
        image_info: NDArray[np.floating[Any]],
        weights: NDArray[np.floating[Any]],
        detections: Mapping[str, NDArray[Any]],
    ) -> None:
        """Add the detections of a batch.

        Args:
          image_ids: int [B].
          image_info: float32 [B, 4, 2] as in `ops.frames`.
          weights: float [B]; examples with weight 0 are padding or unreadable and are left out.
          detections: `schema.Detections` as arrays; boxes in pixels of the original image.

        Raises:
          ValueError: an image has another size than the annotation file states.
        """
        for index, image_id in enumerate(int(image_id) for image_id in image_ids):
            if weights[index] == 0:
                continue
            height, width = (round(float(side)) for side in frames.photo_size(image_info[index]))
            if self._accept(image_id, height, width):
                self.grid = detections["detection_masks"].shape[2:4]
                self._add(
                    image_id, image_info[index], {name: value[index] for name, value in detections.items()}
                )

    def evaluate(self, report: metrics.Report = metrics.report_nothing) -> measurement.Evaluation:
        """Measure the detections over all images of the annotation file.

        Args:
          report: of progress.

        Returns:
          What was found out about boxes and, if the annotations have masks, about masks.

        Raises:
          ValueError: there is no annotation file, it lists none of the images, or a segmentation of
            it is malformed.
        """
        if self.groundtruth is None:
            raise ValueError("no annotation file: there is nothing to measure the detections against")
        if self.num_unlisted and not self._seen:
            raise ValueError(
                f"{self.groundtruth.path}: lists none of the {self.num_unlisted} evaluated images: "
                "name the annotation file of the evaluated images"
            )
        missing = len(self.groundtruth.images) - len(self._seen)
        if missing:
            _logger.warning(
                "%d of the %d images of %s were not evaluated and count as without detections",
                missing,
                len(self.groundtruth.images),
                self.groundtruth.path,
            )
        measurements = {"box": metrics.measure(self.groundtruth, self.box_results, "box", report)}
        if self.groundtruth.has_masks:
            measurements["mask"] = metrics.measure(self.groundtruth, self.mask_results, "mask", report)
        return measurement.Evaluation(measurements)

    def add(self, image_id: int, found: detections_lib.Detections) -> None:
        """Add the detections of one image.

        Raises:
          ValueError: the image has another size than the annotation file states.
        """
        if self._accept(image_id, *found.image.shape[:2]):
            encodings = run_lengths.encode_windows(found.windows, *found.image.shape[:2])
            rows = zip(found.classes, found.boxes, found.scores, found.mask_scores, encodings, strict=True)
            for row in rows:
                self._append(image_id, *row)

    def cut_boxes(self) -> None:
        """Cut the boxes that were collected as `integer_boxes` does those that are added."""
        pairs = [
            ({**one, "bbox": results_lib.cut_box(one["bbox"])}, mask)
            for one, mask in zip(self.box_results, self.mask_results, strict=True)
        ]
        kept = [(one, mask) for one, mask in pairs if one["bbox"] is not None]
        self.box_results, self.mask_results = [one for one, _ in kept], [mask for _, mask in kept]

    def _accept(self, image_id: int, height: int, width: int) -> bool:
        """Decide whether an image is evaluated: one that the annotation file lists, and not twice."""
        if image_id in self._seen:
            return False
        if self.groundtruth and image_id not in self.groundtruth.images:
            self.num_unlisted += 1
            return False
        self._seen.add(image_id)
        if self.groundtruth:
            self.groundtruth.check_size(image_id, height, width)
        return True

    def _add(
        self, image_id: int, image_info: NDArray[np.floating[Any]], detections: Mapping[str, NDArray[Any]]
    ) -> None:
        rows = [
            row
            for row in range(int(detections["num_detections"]))
            if int(detections["detection_classes"][row]) in self._category_ids
        ]
        if not rows:
            return
        names = ("detection_classes", "detection_boxes", "detection_scores", "detection_mask_scores")
        crops = detections[photo_masks.CROPS][rows] if photo_masks.CROPS in detections else None
        encodings = _encode(detections["detection_masks"][rows], image_info, crops)
        for row in zip(*(detections[name][rows] for name in names), encodings, strict=True):
            self._append(image_id, *row)

    def _append(
        self,
        image_id: int,
        number: Any,
        sides: NDArray[Any],
        score: Any,
        mask_score: Any,
        rle: run_lengths.Rle,
    ) -> None:
        """Add a detection: its class, box yxyx_px, score, mask score and mask."""
        if int(number) not in self._category_ids:
            return
        head = {"image_id": image_id, "category_id": self._category_ids[int(number)]}
        top, left, bottom, right = (float(side) for side in sides)
        box: list[float] | None = [left, top, right - left, bottom - top]
        if self._integer_boxes:
            box = results_lib.cut_box([left, top, right - left, bottom - top])
        if box is None:
            return
        self.box_results.append({**head, "bbox": box, "score": float(score)})
        self.mask_results.append({**head, "segmentation": rle, "score": float(mask_score)})


def map_classes(
    categories: categories_lib.Categories, groundtruth: groundtruth_lib.GroundTruth
) -> dict[int, int]:
    """Map the classes of a detector to the category ids of an annotation file.

    Names decide, for exporters number categories anew for each file: the category with the same id
    is taken if the names agree, else the one with the same name. Classes that the file does not
    have are left out.

    Returns:
      class (from 1) -> category id of the file.

    Raises:
      ValueError: the file has none of the classes.
    """
    id_of_name = dict(zip(groundtruth.categories.names, groundtruth.categories.ids, strict=True))
    name_of_id = dict(zip(groundtruth.categories.ids, groundtruth.categories.names, strict=True))
    mapping = {
        index: category_id if name_of_id.get(category_id) == name else id_of_name[name]
        for index, (category_id, name) in enumerate(
            zip(categories.ids, categories.names, strict=True), start=1
        )
        if name in id_of_name
    }
    if not mapping:
        raise ValueError(
            f"{groundtruth.path}: has the categories {_few(groundtruth.categories.names)}, the model has "
            f"{_few(categories.names)}: none in common"
        )
    return mapping


def _encode(
    masks: NDArray[np.floating[Any]],
    image_info: NDArray[np.floating[Any]],
    crops: NDArray[np.floating[Any]] | None,
) -> list[run_lengths.Rle]:
    """Resample soft masks [D, h, w] to the photo, cut them by crops [D, 4], and encode them."""
    height, width = (round(float(side)) for side in frames.photo_size(image_info))
    windows = photo_masks.find_windows(masks, image_info, crops=crops)
    return run_lengths.encode_windows(windows, height, width)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
