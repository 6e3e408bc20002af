"""The tensor contract: one TypedDict for each arrow of the data flow.

Letters: B images, N padded instances, A anchors, C classes with background, K prototypes,
D kept detections, H W input pixels, h w prototype grid, h3 w3 grid of the lowest pyramid level.
Boxes are yxyx everywhere; `_norm` means 0..1 of the image and `_px` means pixels. Sizes are
(height, width). Class 0 is the background.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

Tensor = Any
"""A `tf.Tensor` or a NumPy array; TensorFlow ships no usable type for it."""


class RawOutputs(TypedDict):
    """What the model returns, in training and in inference."""

    box_outputs: Tensor  # float [B, A, 4] box codes (dy, dx, dh, dw), variances 0.1 and 0.2
    cls_outputs: Tensor  # float [B, A, C] class logits, background first
    mask_coefficients: Tensor  # float [B, A, K] after tanh
    prototypes: Tensor  # float [B, h, w, K] after ReLU
    semantic_outputs: Tensor  # float [B, h3, w3, C-1] logits, of class 1 first
    quality_outputs: NotRequired[Tensor]  # float [B, A] logits of the mask's IoU, of a head that predicts it


class Labels(TypedDict):
    """What the parser gives beside the image; padding rows are zero."""

    boxes: Tensor  # float32 [B, N, 4] yxyx_norm
    classes: Tensor  # int32 [B, N] 1..C-1
    num_instances: Tensor  # int32 [B] rows that hold an instance, crowds included
    is_crowd: Tensor  # bool [B, N]
    masks: Tensor  # [B, N, h, w] on the prototype grid: bool, or float16 the share of each cell covered
    semantic_masks: Tensor  # bool [B, h3, w3, C-1] union of each class's instances, crowds left out
    image_id: Tensor  # int64 [B]
    image_info: Tensor  # float32 [B, 4, 2] from photo to network input, see `ops.frames`
    weight: Tensor  # float32 [B] 0: teaches and counts nothing (unreadable, or padding of a batch)
    seed: Tensor  # int32 [B, 2] (seed, position): whatever is drawn for this example is drawn from it


class Targets(TypedDict):
    """Labels laid onto anchors."""

    class_ids: Tensor  # int32 [B, A] 0 background, -1 ignored
    box_codes: Tensor  # float32 [B, A, 4] codes of the matched instance
    instance_index: Tensor  # int32 [B, A] row of the matched instance in the labels


class Losses(TypedDict):
    """Scalars, weighted, normalised over the global batch."""

    class_loss: Tensor
    box_loss: Tensor
    mask_loss: Tensor
    semantic_loss: Tensor
    mask_iou_loss: NotRequired[Tensor]  # of a model with mask rescoring
    quality_loss: NotRequired[Tensor]  # of a head that predicts the quality
    total_loss: Tensor


class Detections(TypedDict):
    """What the detection generator returns; rows from `num_detections` on are zero."""

    detection_boxes: Tensor  # float32 [B, D, 4] yxyx_px of the original image
    detection_scores: Tensor  # float32 [B, D] descending
    detection_mask_scores: Tensor  # float32 [B, D] scores, with mask rescoring x predicted IoU
    detection_classes: Tensor  # int32 [B, D] from 1
    num_detections: Tensor  # int32 [B]
    detection_masks: Tensor  # float32 [B, D, h, w] soft masks on the prototype grid, cropped or with crops
    # float32 [B, D, 4] yxyx_px of the original image, by which masks are cut there, with `crop_at: image`
    detection_crops: NotRequired[Tensor]
