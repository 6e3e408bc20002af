"""From raw outputs to detections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from official.modeling import hyperparams
from official_yolact.configs import yolact as configs
from official_yolact.ops import box_coder
from official_yolact.ops import frames
from official_yolact.ops import masks
from official_yolact.ops import nms
from official_yolact.schema import Detections
from official_yolact.schema import RawOutputs
from official_yolact.schema import Tensor


class DetectionGenerator(tf_keras.layers.Layer):
    """Decode boxes, keep the best by non-maximum suppression, and assemble their masks.

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

        Raises:
          ValueError: if the config names no form of suppression.
        """
        if config.nms not in configs.NMS_KINDS:
            raise ValueError(f"nms is {config.nms!r}: expected one of {', '.join(configs.NMS_KINDS)}")
        super().__init__(trainable=False, dtype=tf.float32, **kwargs)
        self._config = config
        self._anchors = np.asarray(anchors, np.float32)
        self._num_classes = num_classes

    def call(
        self,
        raw_outputs: RawOutputs,
        image_info: Tensor,
        mask_scorer: Callable[[Tensor], Tensor] | None = None,
    ) -> Detections:
        """Generate the detections of a batch.

        Args:
          raw_outputs: `schema.RawOutputs`; the semantic outputs are not needed.
          image_info: float32 [B, 4, 2] as in `ops.frames`.
          mask_scorer: YOLACT++'s `MaskIoUHead`: maps soft masks [M, h, w], as cropped as the
            detections', to the predicted IoU for each class [M, C-1]. The mask scores are the
            scores times the IoU predicted for the detection's class; the order stays by score.

        Returns:
          `schema.Detections`; an image without detections has `num_detections` 0 and zeros.

        Raises:
          ValueError: if the outputs are of other anchors or classes than the generator.
        """
        config = self._config
        boxes, scores = self.decode(raw_outputs)
        kept = self._suppress(boxes, scores, frames.input_size(image_info))
        if config.one_class_iou is not None:
            kept = nms.lower_other_classes(kept, boxes, config.one_class_iou, config.one_class_factor)
        indices, classes, scores, num_detections = kept  # of D detections, [B, D] each and [B]
        valid = tf.sequence_mask(num_detections, config.max_detections)
        boxes = tf.gather(boxes, indices, batch_dims=1)  # [B, D, 4]
        coefficients = tf.gather(raw_outputs["mask_coefficients"], indices, batch_dims=1)  # [B, D, K]
        whole = tf.sigmoid(masks.assemble_masks(raw_outputs["prototypes"], coefficients))  # [B, D, h, w]
        cropped = _keep(self._crop(whole, boxes), valid)
        photo_boxes = _keep(frames.boxes_to_photo(boxes, image_info), valid)
        found: Detections = {
            "detection_boxes": photo_boxes,
            "detection_scores": scores,
            "detection_mask_scores": tf.identity(scores),
            "detection_classes": classes,
            "num_detections": num_detections,
            "detection_masks": _keep(whole, valid) if config.cuts_image else cropped,
        }
        if mask_scorer is not None:
            # It is trained on masks that are cut on the grid.
            found["detection_mask_scores"] = scores * _predict_iou(mask_scorer, cropped, classes)
        if config.cuts_image:
            crops = frames.widen_boxes(photo_boxes, image_info, whole.shape[2:], config.crop_padding)
            found["detection_crops"] = _keep(crops, valid)
        return found

    def decode(self, raw_outputs: RawOutputs) -> tuple[Tensor, Tensor]:
        """Decode what suppression chooses from.

        Args:
          raw_outputs: as of `call`.

        Returns:
          Boxes float32 [B, A, 4] yxyx_norm, and scores float32 [B, A, C-1]: probabilities of the classes,
          times a power of the mask's predicted IoU where the head predicts it.

        Raises:
          ValueError: as `call`.
        """
        self._check(raw_outputs)
        boxes = box_coder.decode(raw_outputs["box_outputs"], tf.constant(self._anchors))
        scores = tf.nn.softmax(raw_outputs["cls_outputs"], axis=-1)[..., 1:]
        if "quality_outputs" in raw_outputs and self._config.quality_power:
            quality = tf.sigmoid(raw_outputs["quality_outputs"])[..., tf.newaxis]  # [B, A, 1]
            scores *= tf.pow(quality, self._config.quality_power)
        return boxes, scores

    def _suppress(self, boxes: Tensor, scores: Tensor, input_size: Tensor) -> nms.Kept:
        """Choose among boxes [B, A, 4] yxyx_norm by their scores [B, A, C-1], by the form of the config."""
        config = self._config
        limits = {
            "score_threshold": config.score_threshold,
            "iou_threshold": config.nms_iou_threshold,
            "max_detections": config.max_detections,
        }
        if config.nms == "traditional":
            return nms.traditional_nms(boxes, scores, input_size, **limits)
        if config.nms == "cross_class":
            return nms.cross_class_nms(boxes, scores, top_k=config.nms_top_k, **limits)
        second_threshold = config.nms == "fast_second_threshold"
        return nms.fast_nms(
            boxes, scores, top_k=config.nms_top_k, second_threshold=second_threshold, **limits
        )

    def _crop(self, soft: Tensor, boxes: Tensor) -> Tensor:
        """Cut masks [B, D, h, w] on their grid to boxes [B, D, 4] yxyx_norm."""
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


def _predict_iou(mask_scorer: Callable[[Tensor], Tensor], soft_masks: Tensor, classes: Tensor) -> Tensor:
    """Predict the IoU of masks [B, D, h, w] of classes [B, D]: float32 [B, D]."""
    num_detections, height, width = soft_masks.shape[1:]
    iou = mask_scorer(tf.reshape(soft_masks, [-1, height, width]))
    iou = tf.reshape(iou, [-1, num_detections, iou.shape[-1]])
    # Padding rows have class 0. [B, D, C-1] to [B, D].
    return tf.gather(iou, tf.maximum(classes - 1, 0), batch_dims=2)


def _keep(values: Tensor, mask: Tensor) -> Tensor:
    """Set values [*leading, ...] to zero where `mask`, bool [*leading], is False."""
    mask = tf.reshape(mask, tf.concat([tf.shape(mask), [1] * (values.shape.rank - mask.shape.rank)], 0))
    return tf.where(mask, values, 0.0)
