"""Small copies of photos, for pages that show many."""

from __future__ import annotations

import PIL.Image
import PIL.ImageOps

from official_yolact_runtime.images import reading


def read(path: str, side: int, stated: tuple[int, int] | None = None) -> PIL.Image.Image:
    """Read a photo, turned as its annotations have it, no larger than needed.

    Args:
      path: the file.
      side: the longer side of the copy is at most so many pixels; small photos are not enlarged.
      stated: (height, width) that annotations state, which decide whether the photo is turned upright.

    Returns:
      RGB.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it is no picture that can be read.
    """
    data = reading.read_bytes(path)
    with reading.open_picture(data) as opened:
        reading.check_size(opened, data)
        turns = reading.describe(opened).turns(stated)
        opened.draft("RGB", (side, side))  # a JPEG is decoded at an eighth of its size, if that is enough
        reading.load(opened)
        upright = PIL.ImageOps.exif_transpose(opened) if turns else opened
        picture = reading.to_8_bits(upright).convert("RGB")
    factor = min(1.0, side / max(picture.size))
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture if size == picture.size else picture.resize(size, PIL.Image.Resampling.LANCZOS)
