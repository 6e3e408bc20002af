"""Pictures of a run: training examples as the network sees them, and detections beside ground truth."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact import hosts
from official_yolact.configs import experiments
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import input_reader
from official_yolact.dataloaders import manifests
from official_yolact.drawing import comparisons
from official_yolact.drawing import examples
from official_yolact.drawing import sheets
from official_yolact.files import storage
from official_yolact.ops import frames
from official_yolact_runtime import drawing
from official_yolact_runtime import photo_masks
from official_yolact_runtime.files import outputs

FOLDER = "pictures"
"""Of the run directory: PNG files, and the same pictures for TensorBoard."""

MIN_SCORE = 0.15
"""Of detections that are drawn. Source: the value that the original recommends for pictures."""

_MAX_EXAMPLES = 16
_EXAMPLE_SIDE = 384
_MAX_BATCHES = 100
_KEPT = (
    "detection_boxes",
    "detection_mask_scores",
    "detection_classes",
    "num_detections",
    "detection_masks",
    photo_masks.CROPS,
    "image_info",
)


class Pictures:
    """Draws the first training batch, and the same validation images after each evaluation.

    The detections are those that the evaluation measured: drawing them runs no step of the network, and
    shows the averaged weights where those are evaluated.
    """

    def __init__(self, params: experiments.YolactExperiment, trainer: Any, model_dir: str):
        """Begin the pictures of an experiment in its run directory."""
        self._trainer = trainer
        self._task = params.task
        self._count = int(params.trainer.num_pictures)
        self._folder = os.path.join(model_dir, FOLDER)
        self._writer: Any = None
        self._wanted: list[int] = []
        self._is_chosen = False
        self._is_batch_drawn = False
        self._found: dict[int, dict[str, NDArray[Any]]] = {}
        self._photos: dict[int, tuple[drawing.Picture, comparisons.Instances]] = {}

    def draw_training_batch(self, logs: Mapping[str, Any]) -> None:
        """Draw up to 16 examples of the run's first batch as the network sees them, as one sheet."""
        del logs
        if self._trainer.loop_start > 0 or self._is_batch_drawn:
            return
        self._is_batch_drawn = True
        names = self._load_names(self._task.train_data)
        strategy = self._trainer.strategy
        drawn: list[drawing.Picture] = []
        num_batches = 1 if hosts.count_workers(strategy) > 1 else strategy.num_replicas_in_sync
        for images, labels in itertools.islice(self._read(is_training=True), num_batches):
            count = _MAX_EXAMPLES - len(drawn)
            drawn += examples.draw_batch(images[:count], labels, self._task.model.normalization, names)
        if drawn:
            sheet = sheets.tile([sheets.shrink(one, _EXAMPLE_SIDE) for one in drawn], columns=4)
            self._write("training_batch", sheet, 0)

    def observe(self, step_outputs: Mapping[str, Any]) -> None:
        """Keep the detections of an evaluation step in the images that are drawn: the first of the data.

        Args:
          step_outputs: what `YolactTask.validation_step` returned, each a tuple of tensors by replica.
        """
        if self._is_chosen and len(self._found) >= len(self._wanted):
            return
        for replica, image_ids in enumerate(step_outputs["image_id"]):
            weights = step_outputs["weight"][replica].numpy()
            for row, image_id in enumerate(int(number) for number in image_ids.numpy()):
                if weights[row] == 0 or image_id < 0 or image_id in self._found or not self._wants(image_id):
                    continue
                kept = [key for key in _KEPT if key in step_outputs]
                self._found[image_id] = {key: step_outputs[key][replica][row].numpy() for key in kept}

    def draw_evaluation(self, logs: Mapping[str, Any]) -> None:
        """Draw ground truth beside the detections of the evaluation that has ended."""
        del logs
        step = int(self._trainer.global_step.numpy())
        found, self._found = self._found, {}
        if not found:
            return
        self._is_chosen = True
        if not self._photos:
            self._load_photos()
        names = self._load_names(self._task.validation_data)
        for number, image_id in enumerate(self._wanted, 1):
            if image_id in found and image_id in self._photos:
                picture = draw_comparison(image_id, *self._photos[image_id], found[image_id], names, step)
                self._write(f"validation_{number}", picture, step)

    def _load_names(self, data: configs.DataConfig) -> list[str]:
        return manifests.load_class_names(data.input_path, self._task.model.num_classes)

    def _wants(self, image_id: int) -> bool:
        if not self._is_chosen and len(self._wanted) < self._count and image_id not in self._wanted:
            self._wanted.append(image_id)
        return image_id in self._wanted

    def _load_photos(self) -> None:
        """Read the wanted images and their labels, once; they are the first of the data, or nearly."""
        wanted = set(self._wanted)
        for images, labels in itertools.islice(self._read(is_training=False), _MAX_BATCHES):
            for row, image_id in enumerate(int(number) for number in labels["image_id"]):
                if image_id in wanted:
                    photo = examples.restore_pixels(images[row], self._task.model.normalization)
                    self._photos[image_id] = (
                        photo,
                        examples.read_labels({key: value[row] for key, value in labels.items()}),
                    )
            if len(self._photos) == len(wanted):
                return

    def _read(self, is_training: bool) -> Iterator[tuple[NDArray[Any], Any]]:
        """Read the batch of each replica as arrays, from the start of the data.

        The trainer's own dataset is iterated a second time: building another costs many seconds. A
        dataset that several workers share would make them wait for one another; there another is built.
        """
        data = self._task.train_data if is_training else self._task.validation_data
        if hosts.count_workers(self._trainer.strategy) > 1:
            data = data.replace(global_batch_size=_MAX_EXAMPLES, enable_tf_data_service=False)
            dataset = input_reader.build_dataset(data, self._task.model, self._task.seed)
        else:
            dataset = self._trainer.train_dataset if is_training else self._trainer.eval_dataset
        split = self._trainer.strategy.experimental_local_results
        for images, labels in dataset:
            for replica, part in enumerate(split(images)):
                yield part.numpy(), {key: split(value)[replica].numpy() for key, value in labels.items()}

    def _write(self, name: str, picture: drawing.Picture, step: int) -> None:
        """Write a picture as PNG, in place of the last one, and for TensorBoard."""
        os.makedirs(self._folder, exist_ok=True)
        storage.store(os.path.join(self._folder, f"{name}.png"), [sheets.encode_png(picture)])
        if self._writer is None:
            for path in outputs.list_left_over(self._folder):
                os.unlink(path)
            self._writer = tf.summary.create_file_writer(self._folder)
        with self._writer.as_default(), tf.summary.record_if(True), tf.device("CPU:0"):
            tf.summary.image(name, picture[np.newaxis], step=step)
        self._writer.flush()


def draw_comparison(
    image_id: int,
    photo: drawing.Picture,
    truth: comparisons.Instances,
    detections: Mapping[str, NDArray[Any]],
    names: Sequence[str],
    step: int,
) -> drawing.Picture:
    """Draw the ground truth of an image on the left and its detections on the right.

    Args:
      image_id: for the title.
      photo: uint8 RGB, as the network sees it.
      truth: its ground truth.
      detections: `schema.Detections` of the image, and `image_info` [4, 2].
      names: of class 1, 2, ...
      step: for the title.

    Returns:
      uint8 RGB picture in the proportions of what the network's input covers of the photo.
    """
    _, extent = frames.input_window(detections["image_info"])
    size = comparisons.choose_size(*(float(side) for side in extent))
    shown = select_detections(detections)
    left = f"image {image_id}: ground truth ({len(truth.classes)})"
    right = f"step {step:,}: {len(shown.classes)} found with a score from {MIN_SCORE} on"
    return comparisons.join(
        [
            comparisons.draw_panel(photo, size, truth, names, left),
            comparisons.draw_panel(photo, size, shown, names, right),
        ]
    )


def select_detections(detections: Mapping[str, NDArray[Any]]) -> comparisons.Instances:
    """Select the detections of one image that are drawn.

    Args:
      detections: `schema.Detections` of one image, and `image_info` [4, 2].

    Returns:
      Those with a mask score of 0.15 at least, the best first, boxes as yxyx_norm.
    """
    count = int(detections["num_detections"])
    scores = np.asarray(detections["detection_mask_scores"][:count], np.float32)
    order = [row for row in np.argsort(-scores, kind="stable") if scores[row] >= MIN_SCORE]
    crops = None
    if photo_masks.CROPS in detections:
        crops = frames.boxes_to_input(detections[photo_masks.CROPS][order], detections["image_info"]).numpy()
    return comparisons.Instances(
        boxes=frames.boxes_to_input(detections["detection_boxes"][order], detections["image_info"]).numpy(),
        classes=np.asarray(detections["detection_classes"])[order].astype(int),
        masks=np.asarray(detections["detection_masks"], np.float32)[order],
        scores=scores[order],
        crops=crops,
    )
