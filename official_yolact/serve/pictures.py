"""Pictures of requests: what cannot be read is refused with the reason."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from official_yolact.serve import refusals
from official_yolact_runtime import predictor
from official_yolact_runtime.images import reading


def decode(model: predictor.Predictor, data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a picture as the Predictor does; its header is judged before.

    Args:
      model: that will look at it.
      data: the bytes of a file.
      max_pixels: larger ones are refused.

    Returns:
      uint8 RGB [H, W, 3], upright.

    Raises:
      RefusedError: there is no picture, none that can be read, or too large a one.
    """
    if not data:
        raise refusals.RefusedError(400, "the body is empty: send the bytes of a picture")
    try:
        reading.check_size(reading.open_picture(data), data, max_pixels)
        return model.read(data)
    except reading.PictureError as error:
        status = 413 if error.state == reading.TOO_LARGE else 415
        raise refusals.RefusedError(status, f"not a picture that can be read: {error}") from error
    except ValueError as error:
        raise refusals.RefusedError(415, str(error)) from error
