"""What every reader of a video gives: frames with their numbers and times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from official_yolact.video import spans


class EndsEarlyError(ValueError):
    """A video ends before the end that it states, or cannot be read on; the frames before it are good."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
      number: in the video, from 0, whichever frames are left out.
      time: of its presentation, in seconds from the start of the video.
      image: uint8 RGB [H, W, 3], upright.
    """

    number: int
    time: Fraction
    image: NDArray[np.uint8]


class Reader(Protocol):
    """An open video.

    Attributes:
      time_base: seconds, of which all times are multiples.
      rate: frames a second, on average; 0 where nobody knows it.
      num_frames: that the file states; None where it does not, as of a stream.
      num_damaged: frames that could not be decoded so far; they have no number.
    """

    time_base: Fraction
    rate: Fraction
    num_frames: int | None
    num_damaged: int

    def read(self, span: spans.Span) -> Iterator[Frame]:
        """Give the frames of a span.

        Raises:
          EndsEarlyError: after the last good frame.
          ValueError: a frame is too large.
        """
        ...

    def close(self) -> None:
        """Close the file or the stream."""
        ...
