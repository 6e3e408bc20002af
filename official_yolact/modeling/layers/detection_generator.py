"""From raw outputs to detections."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.ops import box_coder
from official_yolact.ops import masks
from official_yolact.ops import nms
from official_yolact.schema import Detections
from official_yolact.schema import RawOutputs
from official_yolact.schema import Tensor


class DetectionGenerator(tf_keras.layers.Layer):
    """Decode boxes, keep the best by Fast NMS, and assemble their masks.

    Evaluation, prediction and export go through it. It has no variables, computes in float32, and
    all its shapes are static but for the batch.
    """

    def __init__(
        self, config: hyperparams.Config, anchors: np.ndarray, num_classes: int, **kwargs: Any
    ) -> None:
        """Keep the constants.

        Args:
          config: `configs.yolact.DetectionGenerator`.
          anchors: float32 [A, 4] cyxhw_norm.
          num_classes: C, with the background.
          **kwargs: what every Keras layer takes.
        """
        super().__init__(trainable=False, dtype=tf.float32, **kwargs)
        self._config = config
        self._anchors = np.asarray(anchors, np.float32)
        self._num_classes = num_classes

    def call(self, raw_outputs: RawOutputs, image_info: Tensor) -> Detections:
        """Generate the detections of a batch.

        Args:
          raw_outputs: `schema.RawOutputs`; the semantic outputs are not needed.
          image_info: float32 [B, 4, 2]; row 0 is the (height, width) of the original image.

        Returns:
          `schema.Detections`; an image without detections has `num_detections` 0 and zeros.

        Raises:
          ValueError: if the outputs are of other anchors or classes than the generator.
        """
        self._check(raw_outputs)
        config = self._config
        boxes = box_coder.decode(raw_outputs["box_outputs"], tf.constant(self._anchors))
        scores = tf.nn.softmax(raw_outputs["cls_outputs"], axis=-1)[..., 1:]
        indices, classes, scores, num_detections = nms.fast_nms(
            boxes,
            scores,
            score_threshold=config.score_threshold,
            iou_threshold=config.nms_iou_threshold,
            top_k=config.nms_top_k,
            max_detections=config.max_detections,
        )
        valid = tf.sequence_mask(num_detections, config.max_detections)
        boxes = tf.gather(boxes, indices, batch_dims=1)
        coefficients = tf.gather(raw_outputs["mask_coefficients"], indices, batch_dims=1)
        return {
            "detection_boxes": _keep(_boxes_to_px(boxes, image_info), valid),
            "detection_scores": scores,
            "detection_mask_scores": tf.identity(scores),
            "detection_classes": classes,
            "num_detections": num_detections,
            "detection_masks": _keep(self._assemble(raw_outputs["prototypes"], coefficients, boxes), valid),
        }

    def _assemble(self, prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
        soft = tf.sigmoid(masks.assemble_masks(prototypes, coefficients))
        if not self._config.crop_masks:
            return soft
        # Source: the original cuts to the box as predicted, before it is clipped to the image.
        windows = masks.crop_windows(boxes, soft.shape[2], soft.shape[3], padding=self._config.crop_padding)
        return _keep(soft, windows)

    def _check(self, raw_outputs: RawOutputs) -> None:
        num_anchors, num_classes = raw_outputs["cls_outputs"].shape[1:]
        if (num_anchors, num_classes) != (len(self._anchors), self._num_classes):
            raise ValueError(
                f"cls_outputs hold {num_anchors} anchors and {num_classes} classes, but the detection"
                f" generator has {len(self._anchors)} and {self._num_classes}: give the model images of the"
                " size that it is configured for"
            )


def _boxes_to_px(boxes: Tensor, image_info: Tensor) -> Tensor:
    """Scale boxes [B, D, 4] yxyx_norm to pixels of the original image, and clip them to it."""
    size = tf.tile(tf.cast(image_info[:, 0], tf.float32), [1, 2])[:, tf.newaxis]
    return tf.clip_by_value(boxes * size, 0.0, size)


def _keep(values: Tensor, mask: Tensor) -> Tensor:
    """Set to zero what `mask`, of the leading dimensions of `values`, leaves out."""
    mask = tf.reshape(mask, tf.concat([tf.shape(mask), [1] * (values.shape.rank - mask.shape.rank)], 0))
    return tf.where(mask, values, 0.0)
