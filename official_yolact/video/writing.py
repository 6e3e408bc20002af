"""Writes frames as a video that browsers play: H.264 by PyAV, or VP8 by OpenCV where that is missing."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from official_yolact.video import reading

HINT = (
    "PyAV is not installed, so that videos are VP8 in WebM at a constant rate, which is slow: pip install"
    " 'official-yolact[video]' writes H.264 with the times of the frames"
)


class Writer(Protocol):
    """A video that is being written; its file appears at the end."""

    def write(self, image: NDArray[np.uint8], time: Fraction) -> None:
        """Append a frame.

        Args:
          image: uint8 RGB [H, W, 3]; of another size than the first frame, it is resized.
          time: in seconds, later than that of the frame before.

        Raises:
          OSError: the disk is full; names the file. `finish` then keeps what is there.
        """
        ...

    def finish(self) -> None:
        """Complete the file, with the frames so far.

        Raises:
          OSError: it cannot be written; names the file.
        """
        ...


def find_extension() -> str:
    """Give the suffix of the videos that are written here."""
    if reading.has_av():
        return ".mp4"
    from official_yolact.video import opencv_writer

    return opencv_writer.find_extension()


def open_writer(path: str, time_base: Fraction, rate: Fraction) -> Writer:
    """Begin a video.

    Args:
      path: of the file, with the suffix of `find_extension`; what is there is not looked at.
      time_base: seconds, of which all times are multiples.
      rate: frames a second, on average.

    Raises:
      OSError: it cannot be written; names the file.
    """
    rate = rate or Fraction(25)
    if reading.has_av():
        from official_yolact.video import av_writer

        return av_writer.AvWriter(path, time_base, rate)
    from official_yolact.video import opencv_writer

    return opencv_writer.OpenCvWriter(path, rate)
