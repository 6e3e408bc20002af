"""The YOLACT network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import tensorflow as tf
import tf_keras

from official_yolact.schema import RawOutputs
from official_yolact.schema import Tensor

_Function = TypeVar("_Function", bound=Callable[..., Any])


def unconverted(function: _Function) -> _Function:
    """Keep autograph out of a function or method, and out of everything that it calls.

    Autograph rewrites the source of a function before TensorFlow traces it, so that `if` and `for` may depend
    on tensors. `tf.function(autograph=False)` spares one function only: Keras has the `call` of each layer in
    it rewritten all the same, and whatever that calls. Nothing in this library needs it, and it costs time
    before the first training step. In such a function `if` on a tensor is an error.
    """
    return cast(_Function, tf.autograph.experimental.do_not_convert(function))


class YolactModel(tf_keras.Model):
    """Backbone, pyramid and the three branches on it. Training and inference have the same outputs.

    Attributes:
      backbone: images to endpoints by level.
      decoder: endpoints to the pyramid by level; None where the backbone's endpoints are the pyramid.
      head: `PredictionHead`.
      protonet: `Protonet`.
      semantic_head: `SemanticHead`.
      mask_iou_head: `MaskIoUHead` of YOLACT++, else None. It sees masks that are assembled from the
        raw outputs: the losses and the detection generator call it.
    """

    def __init__(
        self,
        *,
        backbone: Any,
        decoder: Any,
        head: Any,
        protonet: Any,
        semantic_head: Any,
        mask_iou_head: Any = None,
        min_level: int,
        max_level: int,
        **kwargs: Any,
    ) -> None:
        """Keep the parts; `min_level` and `max_level` are those of the pyramid."""
        super().__init__(**kwargs)
        self.backbone = backbone
        self.decoder = decoder
        self.head = head
        self.protonet = protonet
        self.semantic_head = semantic_head
        self.mask_iou_head = mask_iou_head
        self._detail_level = str(min_level - 1)
        self._levels = [str(level) for level in range(min_level, max_level + 1)]

    @unconverted
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the network, `unconverted`."""
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None) -> RawOutputs:
        """Compute the raw outputs.

        Args:
          inputs: float [B, H, W, 3], normalised.
          training: whether batch norm uses the batch's statistics.

        Returns:
          `schema.RawOutputs`, all float32 whatever the precision policy.
        """
        features = self.backbone(inputs, training=training)
        detail = features.get(self._detail_level)
        if self.decoder is not None:
            features = self.decoder(features)
        pyramid = {level: features[level] for level in self._levels}
        lowest = pyramid[self._levels[0]]
        outputs = {
            **self.head(pyramid, training=training),
            "prototypes": tf.cast(self.protonet(lowest, detail, training=training), tf.float32),
            "semantic_outputs": tf.cast(self.semantic_head(lowest, training=training), tf.float32),
        }
        return cast(RawOutputs, outputs)

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """Parts that a checkpoint can restore one by one, by name."""
        items = {
            "backbone": self.backbone,
            "decoder": self.decoder,
            "head": self.head,
            "protonet": self.protonet,
            "semantic_head": self.semantic_head,
            "mask_iou_head": self.mask_iou_head,
        }
        return {name: part for name, part in items.items() if part is not None}
