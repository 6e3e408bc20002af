"""One size for all frames of a video."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


class Fitted:
    """Brings frames to the size of the first one, whose sides it makes even, as yuv420p has them."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None

    def fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring a frame to the size of the video.

        Args:
          image: uint8 RGB [H, W, 3].

        Returns:
          The same with the last row or column repeated where its number is odd; of another size than the
          first frame, resized.
        """
        if self._size is None:
            self._size = image.shape[0], image.shape[1]
        height, width = self._size
        if image.shape[:2] != self._size:
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return np.ascontiguousarray(image)
