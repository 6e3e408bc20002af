"""Sources of `yolact predict` and the pictures that they give: photos, and frames of videos."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Source:
    """A photo, or a video.

    Attributes:
      name: path of the file as it was found, address of the stream without its password, `camera:0`, or `-`.
      stem: what the names of its outputs begin with, its own among the sources.
      is_video: it has frames and times.
      image_id: of a photo; of a video, that of its first frame. None: the one after the last.
      size: (height, width) that a COCO file states of a photo.
      data: the bytes of a photo that has no file.
      address: of a stream, with its password, or `camera:0`.
    """

    name: str
    stem: str
    is_video: bool = False
    image_id: int | None = None
    size: tuple[int, int] | None = None
    data: bytes | None = None
    address: str | None = None


@dataclasses.dataclass(frozen=True)
class Clip:
    """What is known of a video that is read.

    Attributes:
      time_base: seconds, of which all times are multiples.
      rate: of the frames that are looked at, a second; 0: unknown.
    """

    time_base: Fraction
    rate: Fraction


@dataclasses.dataclass(frozen=True)
class Shot:
    """A picture in which instances are looked for.

    Attributes:
      source: that it comes from.
      image_id: its own, from 1.
      image: uint8 RGB [H, W, 3], upright.
      frame: number of the frame in its video, from 0; None: it is a photo.
      time: of the frame in its video, in seconds; None: it is a photo.
      clip: the frame's video; None: it is a photo.
    """

    source: Source
    image_id: int
    image: NDArray[np.uint8]
    frame: int | None = None
    time: Fraction | None = None
    clip: Clip | None = None
