"""A model with everything around it: pictures in, detections out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, overload

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from official_yolact import categories as categories_lib
from official_yolact.configs import memory
from official_yolact.configs import yolact as configs
from official_yolact.modeling import factory
from official_yolact.ops import frames
from official_yolact.ops import preprocess
from official_yolact.schema import Tensor
from official_yolact.serving import arguments
from official_yolact.serving import detections as detections_lib
from official_yolact.serving import images as image_files

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8]

SCORE_THRESHOLD = 0.3
MAX_DETECTIONS = 100


class Predictor:
    """Detects instances in pictures.

    Pictures pass through the preprocessing, the detection generator and the upsampling of masks
    that evaluation in training uses.

    Threads may call one Predictor at the same time, and get what they would get one after another.
    It cannot be pickled: each process loads the model itself. `Detections` can.

    Attributes:
      config: the model section of the experiment.
      categories: what its classes mean.
      batch_size: pictures that pass the network at once.
    """

    def __init__(
        self,
        model: Any,
        config: configs.YolactModel,
        categories: categories_lib.Categories,
        batch_size: int = 1,
    ) -> None:
        """Wrap a built model.

        Args:
          model: maps float32 [B, H, W, 3] to `schema.RawOutputs`; with `config.mask_rescoring` its
            `mask_iou_head` is used too.
          config: the section that it was built from.
          categories: one for each foreground class.
          batch_size: pictures that pass the network at once.

        Raises:
          TypeError: `batch_size` is no whole number.
          ValueError: categories and classes differ in number; `batch_size` is below 1, or more
            than the machine's memory can hold.
        """
        batch_size = arguments.check_count("batch_size", batch_size)
        if categories.num_classes != config.num_classes:
            raise ValueError(
                f"the model has {config.num_classes - 1} classes without background, but there are "
                f"{len(categories.ids)} categories: use the categories.json that belongs to the model"
            )
        memory.check_batch(config, batch_size)
        self.config = config
        self.categories = categories
        self.batch_size = batch_size
        self._model = model
        self._generator = factory.build_detection_generator(config)
        height, width = config.input_size
        self._preprocess = tf.function(
            self._preprocess_image, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)]
        )
        self._detect = tf.function(
            self._detect_batch,
            input_signature=[
                tf.TensorSpec([batch_size, height, width, 3], tf.float32),
                tf.TensorSpec([batch_size, 4, 2], tf.float32),
            ],
        )
        self._to_photo = tf.function(
            frames.masks_to_photo,
            input_signature=[tf.TensorSpec([None, None, None]), tf.TensorSpec([4, 2])],
        )
        self._raw = tf.function(lambda images: self._model(images, training=False), reduce_retracing=True)

    @overload
    def __call__(
        self, source: Source, score_threshold: float = ..., max_detections: int = ...
    ) -> detections_lib.Detections: ...

    @overload
    def __call__(
        self, source: list[Source], score_threshold: float = ..., max_detections: int = ...
    ) -> list[detections_lib.Detections]: ...

    def __call__(
        self,
        source: Source | list[Source],
        score_threshold: float = SCORE_THRESHOLD,
        max_detections: int = MAX_DETECTIONS,
    ) -> detections_lib.Detections | list[detections_lib.Detections]:
        """Detect instances.

        Args:
          source: path, bytes of a file, uint8 RGB array [H, W, 3], or a list of them.
          score_threshold: detections whose score or mask score is below it are left out.
          max_detections: the best so many are kept.

        Returns:
          Detections of the picture; of a list, a list in its order.

        Raises:
          OSError: a file cannot be opened.
          TypeError: an argument is of another type.
          ValueError: a file is no picture, or too large; a number is out of its range.
        """
        score_threshold = arguments.check_score_threshold(score_threshold)
        max_detections = arguments.check_count("max_detections", max_detections)
        if isinstance(source, str | os.PathLike | bytes | np.ndarray):
            return self([source], score_threshold, max_detections)[0]
        images = [image_files.read_image(one) for one in arguments.check_sources(source)]
        rows = (row for batch in self.detect(images) for row in batch)
        return [
            self._finish(image, row, score_threshold, max_detections)
            for image, row in zip(images, rows, strict=True)
        ]

    def raw_outputs(self, images: Tensor) -> dict[str, NDArray[Any]]:
        """Run the network alone.

        Args:
          images: float32 [B, H, W, 3] of the input size, normalised.

        Returns:
          The raw outputs of `schema.RawOutputs`.

        Raises:
          TypeError: no floating point numbers.
          ValueError: another rank or size, no image, or values that are not finite.
        """
        checked = arguments.check_network_inputs(images, self.config.input_size)
        outputs = self._raw(tf.constant(checked))
        return {name: value.numpy() for name, value in outputs.items()}

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[list[dict[str, NDArray[Any]]]]:
        """Detect in pictures, all that the detection generator gives, masks on the prototype grid.

        Args:
          images: uint8 RGB [H, W, 3], each of its own size.

        Yields:
          For each batch, one dict for each of its pictures: `schema.Detections` without the batch
          dimension, and `image_info` float32 [4, 2].
        """
        for start in range(0, len(images), self.batch_size):
            part = images[start : start + self.batch_size]
            inputs = [self._preprocess(image) for image in part]
            info = [frames.fit(image.shape[:2], self.config.input_size).numpy() for image in part]
            missing = self.batch_size - len(part)
            inputs += [tf.zeros_like(inputs[0])] * missing
            info += [info[0]] * missing
            outputs = self._detect(tf.stack(inputs), tf.constant(np.stack(info)))
            arrays = {name: value.numpy() for name, value in outputs.items()}
            yield [
                {"image_info": info[index], **{name: value[index] for name, value in arrays.items()}}
                for index in range(len(part))
            ]

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: a compiled network belongs to its process."""
        raise TypeError(
            "a Predictor cannot be pickled or copied: call official_yolact.load(DIRECTORY) in each process"
        )

    def _preprocess_image(self, image: Tensor) -> Tensor:
        normalization = self.config.normalization
        height, width = self.config.input_size
        return preprocess.preprocess_image(image, (height, width), normalization.mean, normalization.std)

    def _detect_batch(self, images: Tensor, image_info: Tensor) -> Mapping[str, Tensor]:
        scorer = self._model.mask_iou_head if self.config.mask_rescoring else None
        outputs: Mapping[str, Tensor] = self._generator(
            self._model(images, training=False), image_info, mask_scorer=scorer
        )
        return outputs

    def _finish(
        self,
        image: NDArray[np.uint8],
        row: Mapping[str, NDArray[Any]],
        score_threshold: float,
        max_detections: int,
    ) -> detections_lib.Detections:
        count = int(row["num_detections"])
        scores, mask_scores = row["detection_scores"][:count], row["detection_mask_scores"][:count]
        # Source: what the original displays passes the threshold by class score and by mask score.
        passing = np.minimum(scores, mask_scores) >= score_threshold
        best_first = np.argsort(-mask_scores, kind="stable")
        keep = best_first[passing[best_first]][:max_detections]
        classes = row["detection_classes"][keep].astype(np.int32)
        return detections_lib.Detections(
            image=image,
            boxes=row["detection_boxes"][keep].astype(np.float32),
            scores=scores[keep].astype(np.float32),
            mask_scores=mask_scores[keep].astype(np.float32),
            classes=classes,
            category_ids=np.array([self.categories.ids[index - 1] for index in classes], np.int64),
            names=[self.categories.names[index - 1] for index in classes],
            masks=self._to_photo(
                tf.constant(row["detection_masks"][keep]), tf.constant(row["image_info"])
            ).numpy(),
        )
