"""From pixels to detections: preprocessing, network and detection generator, composed once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.modeling import factory
from official_yolact.modeling import yolact_model
from official_yolact.ops import frames
from official_yolact.ops import preprocess
from official_yolact.schema import Detections
from official_yolact.schema import Tensor
from official_yolact_runtime import resizing

NETWORK_SCOPE = "network"
DECODE_SCOPE = "decode"
"""Name scopes of the two parts of a graph, by which a quantizer tells them apart."""


class Detector:
    """Detects instances in a batch: of image files, of images, or of inputs of the network.

    Evaluation in training, prediction and exports detect with it: each of the three methods is the
    body of a signature. All of them run eagerly, in a graph and in `tf.function`.

    Attributes:
      model: the network.
      config: the section that it was built from.
    """

    def __init__(self, model: Any, config: configs.YolactModel) -> None:
        """Build what follows the network.

        Args:
          model: maps float32 [B, H, W, 3] to `schema.RawOutputs`; with `config.mask_rescoring` its
            `mask_iou_head` is used too.
          config: the section that it was built from.
        """
        self.model = model
        self.config = config
        self._generator = factory.build_detection_generator(config)

    @yolact_model.unconverted
    def detect(self, images: Tensor, image_info: Tensor) -> Detections:
        """Detect in inputs of the network.

        Args:
          images: float [B, H, W, 3] of `config.input_size`, normalised.
          image_info: float32 [B, 4, 2] as in `ops.frames`.

        Returns:
          `schema.Detections`, boxes in pixels of the photo.
        """
        return self.generate(self.run_network(images), image_info)

    @yolact_model.unconverted
    def run_network(self, images: Tensor) -> dict[str, Tensor]:
        """Compute of `schema.RawOutputs` what detections are made of: all but the semantic outputs.

        Args:
          images: float [B, H, W, 3] of `config.input_size`, normalised.
        """
        with tf.name_scope(NETWORK_SCOPE):
            outputs = self.model(images, training=False)
        return {name: value for name, value in outputs.items() if name != "semantic_outputs"}

    @yolact_model.unconverted
    def generate(self, raw_outputs: Mapping[str, Tensor], image_info: Tensor) -> Detections:
        """Make detections of what `run_network` returns.

        Args:
          raw_outputs: of B images.
          image_info: float32 [B, 4, 2] as in `ops.frames`.

        Returns:
          `schema.Detections`, boxes in pixels of the photo.
        """
        scorer = self.model.mask_iou_head if self.config.mask_rescoring else None
        with tf.name_scope(DECODE_SCOPE):
            found: Detections = self._generator(raw_outputs, image_info, mask_scorer=scorer)
        return found

    @yolact_model.unconverted
    def detect_pixels(self, images: Tensor) -> Detections:
        """Detect in images of one size.

        Args:
          images: uint8 [B, height, width, 3] RGB.

        Returns:
          `schema.Detections`, boxes in pixels of the images.
        """
        shape = tf.shape(images)
        info = self.fit(shape[1:3])
        return self.detect(self.preprocess(images), tf.tile(info[tf.newaxis], [shape[0], 1, 1]))

    @yolact_model.unconverted
    def detect_files(self, encoded: Tensor) -> Detections:
        """Detect in image files, each of its own size.

        Args:
          encoded: string [B], the bytes of upright JPEG, PNG, GIF or BMP files.

        Returns:
          `schema.Detections`, boxes in pixels of the images.

        Raises:
          tf.errors.InvalidArgumentError: one is no such file, damaged, or too large.
        """

        def read(one: Tensor) -> tuple[Tensor, Tensor]:
            image = preprocess.decode_image(one)
            return self.preprocess(image), self.fit(tf.shape(image)[:2])

        specs = (tf.TensorSpec([*self.config.input_size, 3]), tf.TensorSpec([4, 2]))
        return self.detect(*tf.map_fn(read, encoded, fn_output_signature=specs))

    def decode_pixels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Decode what suppression chooses from.

        Args:
          images: as of `detect_pixels`.

        Returns:
          Boxes float32 [B, A, 4] yxyx_px, clipped to the image, and scores float32 [B, A, C-1].
        """
        boxes, scores = self._generator.decode(self.model(self.preprocess(images), training=False))
        info = self.fit(tf.shape(images)[1:3])
        return frames.boxes_to_photo(boxes, info), scores

    @yolact_model.unconverted
    def preprocess(self, images: Tensor) -> Tensor:
        """Make inputs of the network, float32 [..., H, W, 3], of images uint8 [..., height, width, 3]."""
        normalization = self.config.normalization
        return preprocess.normalize_image(self.resize(images), normalization.mean, normalization.std)

    def resize(self, images: Tensor) -> Tensor:
        """Bring images uint8 [..., height, width, 3] to the input's size: float32 [..., H, W, 3], 0..255."""
        size = self.config.input_size
        if not self.config.keep_aspect:
            return preprocess.resize_image(images, size)
        canvas = self.find_canvas(tf.shape(images)[-3:-1])
        return preprocess.resize_canvas(images, canvas, size, resizing.FILL_COLOR)

    def find_canvas(self, size: Tensor) -> Tensor:
        """Find the window of a photo of int [2] (height, width) that the network's input shows: int32 [4]."""
        if self.config.keep_aspect:
            return frames.find_canvas(size, self.config.input_size)
        return tf.concat([tf.zeros([2], tf.int32), tf.cast(size, tf.int32)], axis=0)

    def fit(self, size: Tensor) -> Tensor:
        """Say how a photo of int [2] (height, width) lies in the network's input: `image_info` [4, 2]."""
        return frames.fit(size, self.config.input_size, self.config.keep_aspect)
