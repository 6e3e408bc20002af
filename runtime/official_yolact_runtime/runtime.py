"""What a Predictor needs of the library that computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

AUTO = "auto"
LITERT, ONNX, OPENVINO = GRAPHS = ("litert", "onnx", "openvino")
"""Libraries that run the graph of an exported file; each is an extra of this distribution, too."""


class Runtime(Protocol):
    """Computes with arrays; it knows no files, no categories and no thresholds.

    Threads may call one at the same time.

    Attributes:
      num_classes: C, with the background.
      input_size: (height, width) of the network.
      batch_size: pictures that pass the network at once, at most.
    """

    num_classes: int
    input_size: tuple[int, int]
    batch_size: int

    def decode(self, encoded: bytes) -> NDArray[np.uint8]:
        """Decode a JPEG or PNG file, not turned upright, to uint8 RGB [H, W, 3]."""
        ...

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> Mapping[str, NDArray[Any]]:
        """Detect in one batch.

        Args:
          images: 1 to `batch_size` pictures, uint8 RGB [H, W, 3], each of its own size.

        Returns:
          `schema.Detections` with masks on the prototype grid, and `image_info` float32 [B, 4, 2].
        """
        ...

    def raw_outputs(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        """Run the network alone on float32 [B, H, W, 3], normalised, B of any size: `schema.RawOutputs`."""
        ...
