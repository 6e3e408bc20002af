"""Images whose pixels are numbers, not colours: masks and label maps."""

from __future__ import annotations

import os
from typing import IO, Any

import cv2
import numpy as np
import numpy.typing as npt

from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading

_SINGLE = ("1", "L", "P", "I;16", "I;16B", "I")
_COLOURED = ("LA", "RGB", "RGBA")


_MANY = 3
_SHARE = 0.5
_MOST_OF_16_BITS = 65535


def count_grey_levels(values: npt.NDArray[np.integer[Any]]) -> int:
    """Count the values of a label map that are grey levels of smoothed edges or noise, not objects.

    Such a value has no inside, not one pixel with eight neighbours of the value, and most of its pixels touch
    other values than the background. A small or thin object touches the background, or has an inside.

    Args:
      values: [H, W].

    Returns:
      Their number, or 0 where they are fewer than 3 or fewer than half of the values.
    """
    if not values.size or values.max() > _MOST_OF_16_BITS:
        return 0
    found = values.astype(np.uint16)
    kernel = np.ones((3, 3), np.uint8)
    lowest, highest = cv2.erode(found, kernel), cv2.dilate(found, kernel)
    lowest_object = cv2.erode(np.where(found == 0, _MOST_OF_16_BITS, found).astype(np.uint16), kernel)
    # [H, W]: the neighbours are all of the value; one is of another value that is not 0.
    inside, touching = lowest == highest, (highest > found) | (lowest_object < found)
    counts, num_inside, num_touching = (
        np.bincount(found.ravel(), weights=marks.ravel().astype(np.float64), minlength=2)[1:]
        for marks in (np.ones(found.shape), inside, touching)
    )
    levels = int(((counts > 0) & (num_inside == 0) & (num_touching >= _SHARE * counts)).sum())
    return levels if levels >= _MANY and 2 * levels >= np.count_nonzero(counts) else 0


def read(file: str | os.PathLike[str] | IO[bytes], *sizes: tuple[int, int]) -> npt.NDArray[np.integer[Any]]:
    """Read the value of each pixel; of a palette image that is the index.

    Args:
      file: PNG, path or open file.
      *sizes: (height, width) that are allowed; its header is judged before it is decoded.

    Returns:
      Integers [height, width], of the file's own width.

    Raises:
      OSError: it cannot be read.
      ValueError: it has another size or colours. A damaged one is a `PictureError`.
    """
    data = file.read() if hasattr(file, "read") else reading.read_bytes(os.fspath(file))
    with reading.open_picture(data, ("PNG",)) as picture:
        size = picture.height, picture.width
        if size not in sizes or size[0] * size[1] > formats.MAX_PIXELS:
            wanted = " or ".join(f"{height}x{width}" for height, width in sizes)
            raise ValueError(f"it has {size[0]}x{size[1]} pixels (height x width), expected are {wanted}")
        reading.check_size(picture, data)
        reading.load(picture)
        if picture.mode in _SINGLE:
            values = np.asarray(picture)
            return values.astype(np.uint8) if picture.mode == "1" else values
        if picture.mode not in _COLOURED:
            raise ValueError(f"its mode is {picture.mode}: one channel of 8 or 16 bits is expected")
        channels = np.asarray(picture)[..., : 1 if picture.mode == "LA" else 3]
    if (channels != channels[..., :1]).any():
        raise ValueError("it has colours: save it with one channel, where a pixel's value is its object")
    return channels[..., 0]
