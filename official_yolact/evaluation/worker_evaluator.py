"""COCO evaluation over the parts of a data set that several workers evaluate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact import hosts
from official_yolact.evaluation import coco_evaluator
from official_yolact.evaluation import measurement
from official_yolact.evaluation import metrics
from official_yolact.evaluation import worker_part


class WorkerEvaluator:
    """Hands this worker's detections to a COCO evaluator and measures those of all workers together.

    The numbers equal those of a single process; for that, the workers together must evaluate each record
    once. The chief measures and sends its numbers to every worker, so that all workers decide alike.

    Attributes:
      report: of the progress of measuring.
      class_metrics: of the last evaluation, see `measurement.Evaluation`; empty but on the chief.
      keeps_evaluation: whether `evaluation` is kept, which needs memory.
      evaluation: the last one; None but on the chief.
      collected: the evaluator with the detections that it measured.
    """

    def __init__(self, evaluator: coco_evaluator.CocoEvaluator) -> None:
        """Empty an evaluator and collect detections in it.

        Args:
          evaluator: with the ground truth; afterwards the chief's holds the detections of all workers.
        """
        self.collected = evaluator
        self.keeps_evaluation = False
        self.evaluation: measurement.Evaluation | None = None
        self.report: metrics.Report = metrics.report_nothing
        self.class_metrics: dict[str, measurement.ClassMetrics] = {}
        self.reset()

    def reset(self) -> None:
        """Forget all detections."""
        self.collected.reset()
        self._positions: list[NDArray[np.integer[Any]]] = []
        self._image_ids: list[NDArray[np.integer[Any]]] = []

    def update(
        self,
        positions: NDArray[np.integer[Any]],
        image_ids: NDArray[np.integer[Any]],
        image_info: NDArray[np.floating[Any]],
        weights: NDArray[np.floating[Any]],
        detections: Mapping[str, NDArray[Any]],
    ) -> None:
        """Add the detections of a batch.

        Args:
          positions: int [B], index of each record in the data set; of examples that only fill up a batch
            an index beyond its end.
          image_ids: int [B].
          image_info: see `CocoEvaluator.update`.
          weights: see there.
          detections: see there.

        Raises:
          ValueError: an image has another size than the annotation file states.
        """
        self._positions.append(positions)
        self._image_ids.append(image_ids)
        self.collected.update(image_ids, image_info, weights, detections)

    def evaluate(self, num_records: int) -> dict[str, float]:
        """Compute AP and AR over the images of all workers; each of them must call this.

        Args:
          num_records: of the data set.

        Returns:
          See `measurement.Evaluation.metrics`; the same numbers on every worker.

        Raises:
          ValueError: records were evaluated twice or not at all, the workers read different data, or
            what `CocoEvaluator.evaluate` raises; every worker raises it.
          tf.errors.OpError: another worker has ended.
        """
        strategy = tf.distribute.get_strategy()
        part = self._collect(num_records)
        if hosts.count_workers(strategy) == 1:
            worker_part.check_parts([part])
            return self._evaluate()
        received = hosts.gather_bytes(part.to_bytes(), strategy)
        answer = self._measure(received) if hosts.is_chief(strategy) else {}
        answer = json.loads(hosts.send_from_chief(json.dumps(answer), strategy))
        if "error" in answer:
            raise ValueError(answer["error"])
        scores: dict[str, float] = answer["scores"]
        return scores

    def _evaluate(self) -> dict[str, float]:
        evaluation = self.collected.evaluate(self.report)
        self.class_metrics = evaluation.class_metrics()
        self.evaluation = evaluation if self.keeps_evaluation else None
        return evaluation.metrics()

    def _collect(self, num_records: int) -> worker_part.WorkerPart:
        positions = np.concatenate(self._positions or [np.zeros(0, np.int64)])
        image_ids = np.concatenate(self._image_ids or [np.zeros(0, np.int64)])
        is_record = positions < num_records
        return worker_part.WorkerPart(
            num_records,
            len(positions),
            positions[is_record].tolist(),
            image_ids[is_record].tolist(),
            self.collected.num_unlisted,
            self.collected.box_results,
            self.collected.mask_results,
        )

    def _measure(self, received: Sequence[bytes]) -> dict[str, Any]:
        """Put the parts together and measure; an error is an answer too, since every worker waits for one."""
        try:
            parts = [worker_part.WorkerPart.from_bytes(content) for content in received]
            worker_part.check_parts(parts)
            owners = worker_part.find_owners(parts)
            self.collected.replace(
                owners.keys(),
                worker_part.select_results([part.boxes for part in parts], owners),
                worker_part.select_results([part.masks for part in parts], owners),
                sum(part.num_unlisted for part in parts),
            )
            return {"scores": self._evaluate()}
        except ValueError as error:
            return {"error": str(error)}
